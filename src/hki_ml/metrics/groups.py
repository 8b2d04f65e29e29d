"""How groups fare under a score: whom it picks, and whom of those that come true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from hki_ml.metrics.interval import cluster_bootstrap
from hki_ml.metrics.table import Figure

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

SMALLEST_GROUP = 100
FOUR_FIFTHS = 0.8
"""Rule of thumb of 29 CFR 1607.4(D) for adverse-impact ratios: a signal to look, not a law of ours."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """How unlike the groups of one attribute fare, if as many are picked as come true.

    Attributes
    ----------
    impact_ratio
        Lowest over highest share picked (adverse-impact ratio).
    opportunity_gap
        Highest less lowest share picked among those that come true (Hardt et al. 2016).
    """

    impact_ratio: float
    opportunity_gap: float

    @property
    def discrimination(self) -> float:
        """One number to prefer by: 0 if all groups fare alike."""
        return (1 - self.impact_ratio) + self.opportunity_gap

    def as_json(self) -> dict[str, float]:
        """Return both figures."""
        return {"impact_ratio": self.impact_ratio, "opportunity_gap": self.opportunity_gap}


ALIKE = Treatment(1.0, 0.0)


def large(group: NDArray[np.object_]) -> list[str]:
    """Return the groups of at least 100 rows, in order of the alphabet; ``None`` and NaN are none."""
    known = np.array([v for v in group if v is not None and v == v], object)  # noqa: PLR0124
    levels, counts = np.unique(known.astype(str), return_counts=True)
    return [str(level) for level in levels[counts >= SMALLEST_GROUP]]


class ByGroup:
    """Rows by the groups that are large enough to be spoken of.

    Parameters
    ----------
    group
        Each row's, text, ``None`` for unknown, shape ``(n,)``.
    truth
        1 where it came true, shape ``(n,)``.
    """

    def __init__(self, group: NDArray[np.object_], truth: FloatArray) -> None:
        self.levels = large(group)
        code = np.full(len(group), len(self.levels), np.int64)
        for at, level in enumerate(self.levels):
            code[group == level] = at
        self._code, self._true = code, truth > 0
        self.weights = np.ones(len(group))

    def sizes(self) -> dict[str, int]:
        """Return how many rows each group has."""
        count = np.bincount(self._code, minlength=len(self.levels) + 1)
        return dict(zip(self.levels, map(int, count), strict=False))

    def shares(
        self, picked: BoolArray, weight: FloatArray, *, come_true: bool = False
    ) -> FloatArray:
        """Return the share of each group that is picked, of all or of those that come true; NaN of none."""
        of = weight * self._true if come_true else weight
        most = len(self.levels) + 1
        whole = np.bincount(self._code, of, minlength=most)[:-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            found: FloatArray = np.bincount(self._code, of * picked, minlength=most)[:-1] / whole
        return found

    def treatment(self, picked: BoolArray, weight: FloatArray | None = None) -> Treatment:
        """Return how unlike the groups fare; all alike if there are fewer than two."""
        if len(self.levels) < 2:
            return ALIKE
        weight = self.weights if weight is None else weight
        rates, kept = self.shares(picked, weight), self.shares(picked, weight, come_true=True)
        if not np.nanmax(rates) > 0:
            return ALIKE
        kept = kept[~np.isnan(kept)]
        gap = float(kept.max() - kept.min()) if len(kept) else 0.0
        return Treatment(float(np.nanmin(rates) / np.nanmax(rates)), gap)


def picked_by(truth: FloatArray, score: FloatArray) -> BoolArray:
    """Return the highest scored, as many as come true."""
    found: BoolArray = score >= np.quantile(score, 1 - truth.mean())
    return found


def treatment(truth: FloatArray, score: FloatArray, group: NDArray[np.object_]) -> Treatment:
    """Return how groups of at least 100 fare under a score; each of shape ``(n,)``."""
    return ByGroup(group, truth).treatment(picked_by(truth, score))


@dataclass(frozen=True, slots=True)
class Figures:
    """Both figures of one attribute, or how much a second score changes them, with 95 % intervals."""

    impact_ratio: Figure
    opportunity_gap: Figure


def figures(groups: ByGroup, picked: BoolArray, entity: NDArray[np.object_]) -> Figures:
    """Return how unlike groups fare; whole entities are drawn, the cut stands."""
    return _figures(lambda weight: groups.treatment(picked, weight), groups, entity)


def changes(
    groups: ByGroup, ours: BoolArray, theirs: BoolArray, entity: NDArray[np.object_]
) -> Figures:
    """Return by how much more the first fills both figures than the second, on the same rows."""

    def change(weight: FloatArray) -> Treatment:
        one, other = (groups.treatment(picked, weight) for picked in (ours, theirs))
        return Treatment(
            one.impact_ratio - other.impact_ratio, one.opportunity_gap - other.opportunity_gap
        )

    return _figures(change, groups, entity)


def _figures(
    found: Callable[[FloatArray], Treatment], groups: ByGroup, entity: NDArray[np.object_]
) -> Figures:
    value = found(groups.weights)
    spans = cluster_bootstrap(
        {
            "impact": lambda weight: found(weight).impact_ratio,
            "gap": lambda weight: found(weight).opportunity_gap,
        },
        entity,
    )
    return Figures(
        Figure(value.impact_ratio, *spans["impact"]), Figure(value.opportunity_gap, *spans["gap"])
    )


def against_the_rest(groups: ByGroup, picked: BoolArray) -> dict[str, Figure]:
    """Return of each group the share picked over that among all others, one row an entity.

    Intervals are of the logarithm of the ratio (Katz et al. 1978, with Walter's halves), 95 % for all groups
    together (Bonferroni): the lowest of many groups is low by chance already.
    """
    sizes = np.array(list(groups.sizes().values()), np.float64)
    if len(sizes) < 2:
        return {}
    hits = np.nan_to_num(groups.shares(picked, groups.weights)) * sizes
    others, missed = sizes.sum() - sizes, hits.sum() - hits
    ratio = np.log((hits + 0.5) / (sizes + 0.5)) - np.log((missed + 0.5) / (others + 0.5))
    error = np.sqrt(1 / (hits + 0.5) - 1 / (sizes + 0.5) + 1 / (missed + 0.5) - 1 / (others + 0.5))
    reach = float(norm.isf(0.025 / len(sizes))) * error
    spans = zip(groups.levels, ratio, ratio - reach, ratio + reach, strict=True)
    return {level: Figure(*(float(np.exp(each)) for each in span)) for level, *span in spans}
