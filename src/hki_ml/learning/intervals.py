"""Conformal intervals that learn from outcomes as they become known, overall and by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEVELS = (0.68, 0.80, 0.95)


def weighted_quantile(values: FloatArray, weight: FloatArray, level: float) -> float:
    """Return the smallest value that at least ``level`` of the weight does not exceed.

    One further value of the mean weight is taken to lie beyond all, as conformal prediction asks
    (Vovk et al. 2005; weighted: Tibshirani et al. 2019, arXiv:1904.06019).

    >>> weighted_quantile(np.array([1.0, 2.0, 3.0, 4.0]), np.ones(4), 0.8)
    4.0
    """
    order = np.argsort(values, kind="stable")
    running = np.cumsum(weight[order])
    whole = running[-1] + running[-1] / len(values)
    at = int(np.searchsorted(running, level * whole - 1e-12))
    return float(values[order[min(at, len(values) - 1)]])


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Scores of predictions whose truth is known: absolute error over predicted spread.

    Attributes
    ----------
    score
        Absolute error as a multiple of the predicted spread, shape ``(n,)``.
    day
        When the truth came about (days since 1970-01-01).
    group
        Key of the group, 0 for none.
    """

    score: FloatArray
    day: IntArray
    group: IntArray

    def __len__(self) -> int:
        return len(self.score)

    def plus(self, later: Outcomes) -> Outcomes:
        """Return these and later ones."""
        return Outcomes(
            np.concatenate([self.score, later.score]),
            np.concatenate([self.day, later.day]),
            np.concatenate([self.group, later.group]),
        )


@dataclass(frozen=True, slots=True)
class Widths:
    """How many spreads an interval reaches to either side, by level and group.

    Attributes
    ----------
    overall
        Multiple of the spread for each of `LEVELS`, shape ``(levels,)``.
    groups
        Sorted keys of groups with a width of their own.
    by_group
        Their multiples, shape ``(len(groups), levels)``.
    """

    overall: FloatArray
    groups: IntArray
    by_group: FloatArray

    def of(self, group: IntArray) -> FloatArray:
        """Return the multiples for each row's group, shape ``(n, levels)``."""
        out = np.tile(self.overall, (len(group), 1))
        if len(self.groups):
            at = np.minimum(np.searchsorted(self.groups, group), len(self.groups) - 1)
            known = self.groups[at] == group
            out[known] = self.by_group[at[known]]
        return out


def learn_widths(
    outcomes: Outcomes, *, as_of: int, half_life_days: float = 120.0, shrink: float = 60.0
) -> Widths:
    """Return the widths that recent outcomes ask for; only those before ``as_of`` count.

    A group's own quantile is shrunk to the overall one by ``shrink`` outcomes, on the log scale.
    """
    known = outcomes.day < as_of
    score, group = outcomes.score[known], outcomes.group[known]
    weight = 0.5 ** ((as_of - outcomes.day[known]) / half_life_days)
    overall = np.array([weighted_quantile(score, weight, level) for level in LEVELS])
    names = np.unique(group[group != 0])
    kept, rows = [], []
    for name in names:
        mine = group == name
        if mine.sum() < 10:
            continue
        w = weight[mine]
        effective = float(w.sum() ** 2 / (w**2).sum())
        trust = effective / (effective + shrink)
        own = np.array([weighted_quantile(score[mine], w, level) for level in LEVELS])
        # In the tail a group has too few outcomes: its 80 % width speaks for its 95 % as well.
        own[-1] = overall[-1] * own[1] / overall[1]
        kept.append(name)
        rows.append(overall * (np.maximum(own, 1e-6) / overall) ** trust)
    by_group = np.array(rows) if rows else np.empty((0, len(LEVELS)))
    return Widths(overall, np.array(kept, dtype=np.int64), by_group)
