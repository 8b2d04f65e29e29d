"""Features as columns of a regression: numbers scaled, gaps marked, levels as 0 or 1, directions kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
FEWEST_OF_LEVEL = 25
SKEWED = 8.0  # a number whose 95 % quantile is so many times its median is looked at as a log


@dataclass(frozen=True, slots=True)
class Term:
    """One column: a feature as a number (or its log), its absence, or one of its levels.

    ``low`` and ``high`` bound a number (beyond, nothing more was seen); ``sign`` is 1 where the odds may
    only rise with it, -1 where they may only fall, else 0.
    """

    feature: str
    kind: str
    level: str = ""
    low: float = 0.0
    high: float = 0.0
    fill: float = 0.0
    scale: float = 1.0
    sign: int = 0

    def column(self, values: NDArray[Any]) -> FloatArray:
        """Return the column of a feature's values, shape ``(n,)``."""
        if self.kind == "level":
            return np.array([str(value) == self.level for value in values], np.float64)
        numbers = _numbers(values)
        if self.kind == "missing":
            return np.isnan(numbers).astype(np.float64)
        found = np.clip(np.where(np.isnan(numbers), self.fill, numbers), self.low, self.high)
        if self.kind == "log":
            return np.asarray((np.log1p(found) - np.log1p(self.fill)) / self.scale, np.float64)
        return np.asarray((found - self.fill) / self.scale, np.float64)


@dataclass(frozen=True, slots=True)
class Design:
    """The columns of a regression, in order."""

    terms: tuple[Term, ...]

    def matrix(self, features: Mapping[str, Any] | pd.DataFrame) -> FloatArray:
        """Return the columns, shape ``(n, terms)``; a feature that is not there is missing."""
        count = len(next(iter(features.values()))) if isinstance(features, dict) else len(features)
        out = np.empty((count, len(self.terms)))
        for at, term in enumerate(self.terms):
            given = features.get(term.feature)
            values = np.full(count, None, object) if given is None else np.asarray(given)
            out[:, at] = term.column(values)
        return out

    @property
    def signs(self) -> list[int]:
        """The direction of each column."""
        return [term.sign for term in self.terms]

    def described(self) -> list[dict[str, Any]]:
        """Return everything for a JSON file."""
        return [asdict(term) for term in self.terms]

    @classmethod
    def of_described(cls, stored: Sequence[Mapping[str, Any]]) -> Design:
        """Return the design that ``described`` gave."""
        return cls(tuple(Term(**each) for each in stored))


def design_of(
    features: pd.DataFrame, *, rising: Sequence[str] = (), falling: Sequence[str] = ()
) -> Design:
    """Return the columns that these features can fill; what never varies has none."""
    terms: list[Term] = []
    for name in features.columns:
        values = features[name].to_numpy()
        sign = 1 if name in rising else (-1 if name in falling else 0)
        terms += _levels(name, values) if values.dtype == object else _number(name, values, sign)
    return Design(tuple(terms))


def _levels(name: str, values: NDArray[Any]) -> list[Term]:
    said, count = np.unique([str(value) for value in values], return_counts=True)
    kept = [level for level, n in zip(said, count, strict=True) if n >= FEWEST_OF_LEVEL]
    return [Term(name, "level", level=str(level)) for level in kept] if len(said) > 1 else []


def _number(name: str, values: NDArray[Any], sign: int) -> list[Term]:
    numbers = _numbers(values)
    known = numbers[~np.isnan(numbers)]
    if len(known) < FEWEST_OF_LEVEL or known.min() == known.max():
        return []
    low, middle, high = (float(q) for q in np.quantile(known, [0.005, 0.5, 0.995]))
    low, high = (low, high) if low < high else (float(known.min()), float(known.max()))
    is_skewed = known.min() >= 0 and np.quantile(known, 0.95) > SKEWED * max(middle, 1e-9)
    kind = "log" if is_skewed and high > 2 else "number"
    seen = np.clip(known, low, high)
    spread = float(np.std(np.log1p(seen) if kind == "log" else seen))
    terms = [Term(name, kind, "", low, high, middle, max(spread, 1e-9), sign)]
    gaps = len(numbers) - len(known)
    if gaps >= FEWEST_OF_LEVEL:
        terms.append(Term(name, "missing"))
    return terms


def _numbers(values: NDArray[Any]) -> FloatArray:
    if values.dtype == object:
        values = np.array([np.nan if v is None or isinstance(v, str) else v for v in values], float)
    return np.where(np.isfinite(values.astype(np.float64)), values.astype(np.float64), np.nan)
