"""The market index: log price level of the city and of each area by month, as of what was sold so far.

A Gaussian process over months: level and damped slope of the city, a season, and mean-reverting
deviations of the areas. It blends monthly hedonic means with repeat sales, and it extrapolates by its
own prior: the trend fades, the season stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from hki_ml.models.valuation.homes import FloatArray, IntArray, ObjectArray

HORIZON_MONTHS = 36
_EPOCH_YEAR = 1970
_MIN_GAP_DAYS = 180  # NOTE: shorter holds are mostly renovations and say nothing about the market.
_MAX_PAIR = 0.6  # log ratio beyond which a pair is a changed home, not a market


def month_position(day: IntArray) -> FloatArray:
    """Return months since January 1970 with the day as a fraction."""
    dates = day.astype("datetime64[D]")
    month = dates.astype("datetime64[M]")
    into = (dates - month.astype("datetime64[D]")).astype(np.int64) / 30.5
    return np.asarray(month.astype(np.int64) + into, dtype=np.float64)


def month_number(day: IntArray) -> IntArray:
    """Return whole months since January 1970."""
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


@dataclass(frozen=True, slots=True)
class TradeNotes:
    """Sales as the index sees them: when, where, and log price less what the facts explain."""

    day: IntArray
    area: ObjectArray
    home: ObjectArray
    residual: FloatArray
    weight: FloatArray


@dataclass(frozen=True, slots=True)
class Dynamics:
    """How quickly the market moves, learned once by marginal likelihood and then kept.

    Variances a month of level and slope, damping of the slope, variance of the season, standard
    deviation of a lasting drift a month, variance of one sale; and the areas' variance and memory.
    """

    level: float
    slope: float
    damping: float
    season: float
    drift: float
    noise: float
    area_step: float
    area_memory: float


@dataclass(frozen=True, slots=True)
class MarketIndex:
    """Log price level by month: ``city`` of shape ``(months,)`` plus a row of ``areas`` for each area."""

    first_month: int
    offset: float
    city: FloatArray
    areas: Mapping[str, FloatArray]
    dynamics: Dynamics
    known_until: int

    def at(self, day: IntArray, area: ObjectArray) -> FloatArray:
        """Return the log index on a day in an area; past the horizon it stays where it was."""
        position = month_position(day) - self.first_month - self.offset
        position = np.clip(position, 0.0, len(self.city) - 1.0)
        low = np.minimum(np.floor(position).astype(np.int64), len(self.city) - 2)
        share = position - low
        out = self.city[low] * (1 - share) + self.city[low + 1] * share
        names = [name for name in set(area.tolist()) if name in self.areas]
        if names:
            code_of = {name: i for i, name in enumerate(names)}
            code = np.array([code_of.get(name, -1) for name in area])
            rows = np.flatnonzero(code >= 0)
            paths = np.array([self.areas[name] for name in names])
            code, low, share = code[rows], low[rows], share[rows]
            out[rows] += paths[code, low] * (1 - share) + paths[code, low + 1] * share
        return np.asarray(out, dtype=np.float64)


def _city_prior(months: int, first_month: int, d: Dynamics) -> FloatArray:
    steps = np.tril(np.ones((months, months)))
    lag = np.subtract.outer(np.arange(months), np.arange(months))
    slopes = steps @ np.where(lag >= 0, d.damping ** np.maximum(lag, 0), 0.0)
    t = np.arange(months, dtype=np.float64)
    season = (first_month + np.arange(months)) % 12
    same = (season[:, None] == season[None, :]).astype(np.float64) - 1 / 12
    return np.asarray(
        100.0
        + d.level * (steps @ steps.T)
        + d.slope * (slopes @ slopes.T)
        + d.drift**2 * np.outer(t, t)
        + d.season * same
    )


def _evidence_of(prior: FloatArray, seen: IntArray, mean: FloatArray, noise: FloatArray) -> float:
    """Return the log marginal likelihood of monthly means, up to a constant."""
    chol = np.linalg.cholesky(prior[np.ix_(seen, seen)] + np.diag(noise))
    alpha = np.linalg.solve(chol, mean)
    return float(-0.5 * alpha @ alpha - np.log(np.diag(chol)).sum())


def _posterior(prior: FloatArray, precision: FloatArray, moment: FloatArray) -> FloatArray:
    """Return the mean over all months given information on the first ``len(moment)`` of them."""
    known = len(moment)
    inner = np.eye(known) + precision @ prior[:known, :known]
    return np.asarray(prior[:, :known] @ np.linalg.solve(inner, moment))


def _monthly(month: IntArray, months: int, notes: TradeNotes) -> tuple[FloatArray, FloatArray]:
    """Return weight and weighted sum of residuals a month."""
    weight = np.bincount(month, notes.weight, months).astype(np.float64)
    return weight, np.bincount(month, notes.weight * notes.residual, months).astype(np.float64)


def _pairs(notes: TradeNotes) -> tuple[IntArray, IntArray]:
    """Return rows (earlier, later) of consecutive sales of one home."""
    order = np.lexsort((notes.day, np.array([str(h) for h in notes.home])))
    first, second = order[:-1], order[1:]
    kept = (
        (notes.home[first] == notes.home[second])
        & (notes.day[second] - notes.day[first] >= _MIN_GAP_DAYS)
        & (np.abs(notes.residual[second] - notes.residual[first]) < _MAX_PAIR)
    )
    return first[kept], second[kept]


def _information(
    notes: TradeNotes, month: IntArray, months: int, noise: float
) -> tuple[FloatArray, FloatArray]:
    """Return precision matrix and moment of hedonic means and repeat sales together."""
    weight, total = _monthly(month, months, notes)
    precision, moment = np.diag(weight / noise), total / noise
    first, second = _pairs(notes)
    if len(first) > 30:
        change = notes.residual[second] - notes.residual[first]
        # Case and Shiller: a pair's variance has a part that no market explains; estimated robustly.
        spread = max((1.4826 * float(np.median(np.abs(change - np.median(change))))) ** 2, 1e-4)
        a, b = month[first], month[second]
        for rows, columns, sign in ((a, a, 1.0), (b, b, 1.0), (a, b, -1.0), (b, a, -1.0)):
            np.add.at(precision, (rows, columns), sign / spread)
        np.add.at(moment, b, change / spread)
        np.add.at(moment, a, -change / spread)
    return precision, moment


def _learn_dynamics(notes: TradeNotes, month: IntArray, first_month: int) -> Dynamics:
    months = int(month.max()) + 1
    weight, total = _monthly(month, months, notes)
    seen = np.flatnonzero(weight > 0)
    mean = total[seen] / weight[seen]
    noise = max(float(np.average((notes.residual - mean.mean()) ** 2, weights=notes.weight)), 1e-6)
    best, found = -np.inf, Dynamics(2.5e-5, 1e-6, 0.8, 1e-8, 0.002, noise, 1e-5, 0.95)
    grid = product(
        (1e-6, 2.5e-5, 1e-4),
        (1e-8, 1e-6, 4e-6, 1.6e-5),
        (0.8, 0.95),
        (1e-8, 1e-4, 4e-4),
        (0.002, 0.008),
    )
    for level, slope, damping, season, drift in grid:
        tried = Dynamics(level, slope, damping, season, drift, noise, 1e-5, 0.95)
        prior = _city_prior(months, first_month, tried)
        value = _evidence_of(prior, seen, mean - mean.mean(), noise / weight[seen] + 1e-6)
        if value > best:
            best, found = value, tried
    return found


def _area_prior(months: int, step: float, memory: float) -> FloatArray:
    lag = np.abs(np.subtract.outer(np.arange(months), np.arange(months)))
    return np.asarray(step / (1 - memory**2) * memory**lag)


def _area_means(
    notes: TradeNotes, month: IntArray, city: FloatArray
) -> dict[str, tuple[IntArray, FloatArray, FloatArray]]:
    """Return months seen, mean deviation from the city and weight of each area with 3 months of sales."""
    months = int(month.max()) + 1
    labels = np.array(["" if a is None else str(a) for a in notes.area])
    names, code = np.unique(labels, return_inverse=True)
    cell = code * months + month
    size = len(names) * months
    weight = np.bincount(cell, notes.weight, size).reshape(len(names), months)
    gap = notes.weight * (notes.residual - city[month])
    total = np.bincount(cell, gap, size).reshape(len(names), months)
    out: dict[str, tuple[IntArray, FloatArray, FloatArray]] = {}
    for i, name in enumerate(names):
        seen = np.flatnonzero(weight[i] > 0)
        if name and len(seen) >= 3:
            mean = total[i, seen] / weight[i, seen]
            # The lasting level of an area belongs to the comparables; here only how it moves.
            out[str(name)] = (
                seen,
                mean - np.average(mean, weights=weight[i, seen]),
                weight[i, seen],
            )
    return out


def _with_area_dynamics(
    d: Dynamics, notes: TradeNotes, month: IntArray, city: FloatArray
) -> Dynamics:
    means = _area_means(notes, month, city)
    months = int(month.max()) + 1
    best, found = -np.inf, d
    for step, memory in product((1e-6, 1e-5, 5e-5, 2e-4), (0.95, 0.99)):
        prior = _area_prior(months, step, memory)
        value = sum(_evidence_of(prior, s, m, d.noise / w) for s, m, w in means.values())
        if value > best:
            best = value
            found = Dynamics(d.level, d.slope, d.damping, d.season, d.drift, d.noise, step, memory)
    return found


def _estimate(notes: TradeNotes, dynamics: Dynamics | None) -> MarketIndex:
    absolute = month_number(notes.day)
    first_month = int(absolute.min())
    month = absolute - first_month
    months = int(month.max()) + 1
    d = dynamics or _learn_dynamics(notes, month, first_month)
    precision, moment = _information(notes, month, months, d.noise)
    city = _posterior(_city_prior(months + HORIZON_MONTHS, first_month, d), precision, moment)
    if dynamics is None:
        d = _with_area_dynamics(d, notes, month, city)
    prior = _area_prior(months + HORIZON_MONTHS, d.area_step, d.area_memory)
    areas: dict[str, FloatArray] = {}
    for name, (seen, mean, weight) in _area_means(notes, month, city).items():
        block = prior[np.ix_(seen, seen)] + np.diag(d.noise / weight)
        areas[name] = prior[:, seen] @ np.linalg.solve(block, mean)
    # Files with months only put every sale on the first; others have theirs in mid-month on average.
    firsts = float(np.mean(month_position(notes.day) == absolute))
    offset = 0.0 if firsts > 0.9 else 0.5
    return MarketIndex(first_month, offset, city, areas, d, int(notes.day.max()) + 1)


def fit_market(notes: TradeNotes) -> MarketIndex:
    """Learn how the market moves and where it stands from these sales only."""
    return _estimate(notes, None)


def refresh_market(market: MarketIndex, notes: TradeNotes) -> MarketIndex:
    """Say where the market stands given all ``notes``, with the dynamics learned in training."""
    return _estimate(notes, market.dynamics)
