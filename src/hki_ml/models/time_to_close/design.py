"""From a matrix with gaps to the covariates of a Cox model: logs, hinges, marks for what is missing.

A proportional-hazards model is linear in what it is given. Counts and recencies are skewed, so they
come in logs; what bends is given hinges at its quartiles; what is missing gets a mark and the value of
the typical lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LINEAR, MISSING, HINGE = 0, 1, 2
KNOTS: tuple[float, ...] = (0.25, 0.5, 0.75)
FEWEST_VALUES = 8  # fewer distinct values do not bend
RAREST = 0.002  # a mark on fewer rows says nothing of other rows
SKEWED = 4.0  # largest over median, from which a number above zero comes in logs
REACH = (
    0.001,
    0.999,
)  # quantiles taught; a value beyond is taken back: an exponential has no brake


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """How columns of a matrix become covariates; every array has a place a covariate.

    Attributes
    ----------
    names
        Of the matrix's columns.
    source
        Column that a covariate is made of.
    kind
        ``LINEAR``, ``MISSING`` or ``HINGE``.
    knot
        Where a hinge begins.
    is_log
        Per column: whether ``log1p`` comes first.
    fill, low, high
        Per column, after the log: what stands for missing, and the range that was taught.
    mean, scale
        Of the raw covariate among the rows that taught.
    """

    names: tuple[str, ...]
    source: IntArray
    kind: IntArray
    knot: FloatArray
    is_log: NDArray[np.bool_]
    fill: FloatArray
    low: FloatArray
    high: FloatArray
    mean: FloatArray
    scale: FloatArray

    @classmethod
    def learn(
        cls, names: Sequence[str], table: FloatArray, *, bends: bool = True, logs: bool = True,
        without: Sequence[str] = (),
    ) -> Design:  # fmt: skip
        """Choose covariates by the rows that teach, shape ``(n, len(names))``; constants fall out.

        ``bends`` gives hinges, ``logs`` takes logs of what is skewed, ``without`` leaves columns out.
        """
        is_log = np.array([logs and _is_skewed(column) for column in table.T], bool)
        logged = _logged(table, is_log)
        fill = np.array([_middle(column) for column in logged.T])
        low, high = (np.array([_quantile(c, q) for c in logged.T]) for q in REACH)
        kept_names = [j for j, name in enumerate(names) if name not in without]
        terms = [t for j in kept_names for t in _terms(j, logged[:, j], bends=bends)]
        source, kind, knot = (np.array(part) for part in zip(*terms, strict=True))
        count = len(terms)
        draft = cls(
            tuple(names), source.astype(np.int64), kind.astype(np.int64), knot.astype(np.float64),
            is_log, fill, low, high, np.zeros(count), np.ones(count),
        )  # fmt: skip
        raw = draft.of(table)
        spread = raw.std(axis=0)
        kept = np.flatnonzero(spread > 1e-9)
        kept = kept[_firsts(raw[:, kept])]
        return cls(
            draft.names, draft.source[kept], draft.kind[kept], draft.knot[kept], is_log, fill,
            low, high, raw[:, kept].mean(axis=0), spread[kept],
        )  # fmt: skip

    def of(self, table: FloatArray) -> FloatArray:
        """Return the standardised covariates, shape ``(n, len(self.source))``."""
        return _expand(
            np.ascontiguousarray(table, np.float64), self.source, self.kind, self.knot, self.is_log,
            self.fill, self.low, self.high, self.mean, self.scale,
        )  # fmt: skip

    @property
    def covariates(self) -> tuple[str, ...]:
        """Names of the covariates."""
        ends = {LINEAR: "", MISSING: " missing", HINGE: " above {:.4g}"}
        return tuple(
            self.names[s] + ends[int(k)].format(at)
            for s, k, at in zip(self.source, self.kind, self.knot, strict=True)
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all but the names, for storage."""
        fields = ("source", "kind", "knot", "is_log", "fill", "low", "high", "mean", "scale")
        return {name: getattr(self, name) for name in fields}


def _is_skewed(column: FloatArray) -> bool:
    known = column[np.isfinite(column)]
    if len(known) == 0 or known.min() < 0:
        return False
    return bool(known.max() > SKEWED * max(float(np.median(known)), 0.5))


def _logged(table: FloatArray, is_log: NDArray[np.bool_]) -> FloatArray:
    out = table.copy()
    out[:, is_log] = np.log1p(np.maximum(out[:, is_log], 0.0))
    return out


def _middle(column: FloatArray) -> float:
    return _quantile(column, 0.5)


def _quantile(column: FloatArray, share: float) -> float:
    known = column[np.isfinite(column)]
    return float(np.quantile(known, share)) if len(known) else 0.0


def _terms(j: int, column: FloatArray, *, bends: bool) -> list[tuple[int, int, float]]:
    known = column[np.isfinite(column)]
    if len(known) == 0:
        return []
    terms = [(j, LINEAR, 0.0)]
    share = 1 - len(known) / len(column)
    if RAREST < share < 1 - RAREST:
        terms.append((j, MISSING, 0.0))
    distinct = np.unique(known)
    if bends and len(distinct) >= FEWEST_VALUES:
        inner = np.unique(np.quantile(known, KNOTS))
        terms += [(j, HINGE, float(k)) for k in inner if distinct[0] < k < distinct[-1]]
    return terms


def _firsts(raw: FloatArray) -> IntArray:
    """Return the columns without those that say the same as an earlier one, up to a factor."""
    seen: dict[bytes, int] = {}
    for j, column in enumerate(raw.T):
        unit = (column - column.mean()) / column.std()
        sign = 1.0 if unit[np.argmax(np.abs(unit))] > 0 else -1.0
        seen.setdefault((sign * unit).round(6).tobytes(), j)
    return np.array(sorted(seen.values()), np.int64)


@compiled
def _expand(  # noqa: PLR0913, PLR0917 - flat arrays are what numba compiles best
    table: FloatArray, source: IntArray, kind: IntArray, knot: FloatArray,
    is_log: NDArray[np.bool_], fill: FloatArray, low: FloatArray, high: FloatArray,
    mean: FloatArray, scale: FloatArray,
) -> FloatArray:  # fmt: skip
    out = np.empty((len(table), len(source)))
    for i in range(len(table)):
        for t in range(len(source)):
            value = table[i, source[t]]
            is_missing = np.isnan(value)
            if is_log[source[t]]:
                value = np.log1p(max(value, 0.0))
            if is_missing:
                value = fill[source[t]]
            value = min(max(value, low[source[t]]), high[source[t]])
            if kind[t] == 1:
                value = 1.0 if is_missing else 0.0
            elif kind[t] == 2:
                value = max(value - knot[t], 0.0)
            out[i, t] = (value - mean[t]) / scale[t]
    return out
