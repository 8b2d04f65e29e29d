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


SPOTS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.16, 0.25, 0.5,
    0.75, 0.84, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999,
)  # fmt: skip
FEWEST_BEYOND = 5  # outcomes beyond a spot, below which it is not known
LEVEL_HALF_LIFE, SHAPE_HALF_LIFE = 10.0, 180.0  # days
LEVEL_SHRINK = 50.0  # outcomes


def errors_of(signed: FloatArray, day: IntArray, *, as_of: int) -> tuple[tuple[float, float], ...]:
    """Return how errors lie, as pairs of probability and multiple of the widest interval's half width.

    The shape is that of the last half year or so, tails included; its middle is that of the last weeks,
    so that a market that turns is followed.

    Parameters
    ----------
    signed
        Truth less what was said, as a multiple of anything that grows with the spread, shape ``(n,)``.
    day
        When the truth came about, shape ``(n,)``; only what is before ``as_of`` counts.
    """
    known = day < as_of
    error, age = signed[known], (as_of - day[known]).astype(np.float64)
    if len(error) < 2 * FEWEST_BEYOND / (1 - LEVELS[-1]):
        return ()
    weight = 0.5 ** (age / SHAPE_HALF_LIFE)
    unit = weighted_quantile(np.abs(error), weight, LEVELS[-1])
    recent = 0.5 ** (age / LEVEL_HALF_LIFE)
    usual = weighted_quantile(error, weight, 0.5)
    trust = recent.sum() / (recent.sum() + LEVEL_SHRINK)
    level = usual + trust * (weighted_quantile(error, recent, 0.5) - usual)
    effective = weight.sum() ** 2 / (weight**2).sum()
    spots = [p for p in SPOTS if min(p, 1 - p) * effective >= FEWEST_BEYOND]
    return tuple((p, (weighted_quantile(error, weight, p) - usual + level) / unit) for p in spots)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Predictions whose truth is known: their errors over their predicted spread.

    Attributes
    ----------
    signed
        Error (truth less what was said) as a multiple of the predicted spread, shape ``(n,)``.
    day
        When the truth came about (days since 1970-01-01).
    group
        Key of the group, 0 for none.
    missed
        Whether each interval of `LEVELS` missed the truth (1) or held it (0), shape ``(n, levels)``;
        NaN where no interval had been given.
    """

    signed: FloatArray
    day: IntArray
    group: IntArray
    missed: FloatArray

    def __len__(self) -> int:
        return len(self.signed)

    @property
    def score(self) -> FloatArray:
        """Absolute errors as multiples of the predicted spread, shape ``(n,)``."""
        return np.abs(self.signed)

    @classmethod
    def unjudged(cls, signed: FloatArray, day: IntArray, group: IntArray) -> Outcomes:
        """Return outcomes of predictions that came without an interval."""
        return cls(signed, day, group, np.full((len(signed), len(LEVELS)), np.nan))

    def plus(self, later: Outcomes) -> Outcomes:
        """Return these and later ones."""
        return Outcomes(
            np.concatenate([self.signed, later.signed]),
            np.concatenate([self.day, later.day]),
            np.concatenate([self.group, later.group]),
            np.concatenate([self.missed, later.missed]),
        )


GROUP_GAIN = np.array([0.15, 0.18, 0.15])
OVERALL_GAIN = 0.004
"""How much log width answers one miss too many, in a group and overall; see `Debts`."""


@dataclass(frozen=True, slots=True)
class Debts:
    """Misses beyond what was promised, so far: the integral term of conformal control.

    Answering it bounds how far coverage can stray in any group, whatever the data do (Angelopoulos,
    Candes and Tibshirani 2023, *Conformal PID control*, arXiv:2307.16895).

    Attributes
    ----------
    overall
        Sum of (missed - promised) by level, limited to 60, shape ``(levels,)``.
    groups
        Sorted keys of groups with outcomes.
    by_group
        Their sums, limited to 4, and smaller where many outcomes came on one day, since nobody could
        have answered in between; shape ``(len(groups), levels)``.
    """

    overall: FloatArray
    groups: IntArray
    by_group: FloatArray

    @classmethod
    def of(cls, outcomes: Outcomes, *, as_of: int) -> Debts:
        """Add up what is known before ``as_of``."""
        known = (outcomes.day < as_of) & ~np.isnan(outcomes.missed[:, 0])
        excess = outcomes.missed[known] - (1.0 - np.array(LEVELS))
        day, group = outcomes.day[known], outcomes.group[known]
        names, code = np.unique(group, return_inverse=True)
        total = np.zeros((len(names), len(LEVELS)))
        np.add.at(total, code, excess)
        days = len(np.unique(code * 100_000 + day)) if len(code) else 1
        at_once = max(len(code) / days, 1.0)
        return cls(
            np.clip(excess.sum(axis=0), -60, 60), names, np.clip(total, -4, 4) / np.sqrt(at_once)
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

    def repaying(self, debts: Debts) -> Widths:
        """Return widths that also repay what coverage owes; groups without a width get one."""
        groups = np.union1d(self.groups, debts.groups)
        plain = np.exp(OVERALL_GAIN * debts.overall)
        rows = self.of(groups) * plain
        at = np.searchsorted(groups, debts.groups)
        rows[at] *= np.exp(np.clip(GROUP_GAIN * debts.by_group, -0.4, 0.7))
        return Widths(self.overall * plain, groups, rows)

    def of(self, group: IntArray) -> FloatArray:
        """Return the multiples for each row's group, shape ``(n, levels)``."""
        out = np.tile(self.overall, (len(group), 1))
        if len(self.groups):
            at = np.minimum(np.searchsorted(self.groups, group), len(self.groups) - 1)
            known = (self.groups[at] == group) & (group != 0)
            out[known] = self.by_group[at[known]]
        return out


def learn_widths(
    outcomes: Outcomes, *, as_of: int, half_life_days: float = 120.0, shrink: float = 40.0
) -> Widths:
    """Return the widths that recent outcomes ask for; only those before ``as_of`` count.

    A group's own 80 % width is shrunk to the overall one on the log scale, by ``shrink`` outcomes if
    the group wants more and by three times as many if it is content with less: too narrow in one
    place is worse than too wide in another. The overall level is then set so that all together
    cover what they should.
    """
    known = outcomes.day < as_of
    score, group = outcomes.score[known], outcomes.group[known]
    weight = 0.5 ** ((as_of - outcomes.day[known]) / half_life_days)
    middle = LEVELS.index(0.80)
    typical = weighted_quantile(score, weight, LEVELS[middle])
    factor = np.ones(len(score))
    kept, factors = [], []
    for name in np.unique(group[group != 0]):
        mine = group == name
        if mine.sum() < 10:
            continue
        w = weight[mine]
        effective = float(w.sum() ** 2 / (w**2).sum())
        ratio = max(weighted_quantile(score[mine], w, LEVELS[middle]) / typical, 1e-3)
        trust = effective / (effective + (shrink if ratio > 1 else 3 * shrink))
        factor[mine] = ratio**trust
        kept.append(name)
        factors.append(ratio**trust)
    overall = np.array([weighted_quantile(score / factor, weight, level) for level in LEVELS])
    by_group = np.outer(np.array(factors), overall) if kept else np.empty((0, len(LEVELS)))
    return Widths(overall, np.array(kept, dtype=np.int64), by_group)
