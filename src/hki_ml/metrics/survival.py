"""How well times to an end are ordered, how near the curves are, how right the mean times are.

Ends compete: a lost lead never closes. It stays in every comparison as one whose closing never comes,
and is not censored by being lost. What is censored (still open when knowledge ends) is weighted by the
inverse probability of being known so long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEAST_KNOWN = 0.02  # a weight above 50 would let one row speak for the whole table


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel and keep its type; metrics lean on nothing that learns."""
    return cast("Callable[P, R]", njit(cache=True)(function))


@dataclass(frozen=True, slots=True)
class Steps:
    """A step function: ``values[k]`` from ``times[k]`` on, ``start`` before."""

    times: FloatArray
    values: FloatArray
    start: float

    def at(self, moments: FloatArray) -> FloatArray:
        """Return the value at each moment."""
        return self._of(np.searchsorted(self.times, moments, side="right"))

    def before(self, moments: FloatArray) -> FloatArray:
        """Return the value just before each moment."""
        return self._of(np.searchsorted(self.times, moments, side="left"))

    def _of(self, place: IntArray) -> FloatArray:
        out: FloatArray = np.concatenate([[self.start], self.values])[place]
        return out

    def area(self, until: float) -> float:
        """Return the integral from 0 to ``until``."""
        inside = self.times[self.times < until]
        edges = np.concatenate([[0.0], inside, [until]])
        return float(np.sum(self.at(edges[:-1]) * np.diff(edges)))


def kaplan_meier(days: FloatArray, cause: IntArray, *, weight: FloatArray | None = None) -> Steps:
    """Return the probability that nothing has happened yet (Kaplan & Meier 1958); 0 is censored.

    >>> kaplan_meier(np.array([1.0, 2.0, 3.0]), np.array([1, 0, 1])).values.round(3).tolist()
    [0.667, 0.667, 0.0]
    """
    times, at_risk, ended, _ = _counts(days, cause, 0, weight)
    return Steps(times, np.asarray(np.cumprod(1.0 - ended / at_risk), np.float64), 1.0)


def aalen_johansen(
    days: FloatArray, cause: IntArray, *, of: int = 1, weight: FloatArray | None = None
) -> Steps:
    """Return the probability that it has ended by cause ``of`` (Aalen & Johansen 1978).

    >>> aalen_johansen(np.array([1.0, 2.0]), np.array([2, 1])).values.tolist()
    [0.0, 0.5]
    """
    times, at_risk, ended, of_cause = _counts(days, cause, of, weight)
    alive = np.concatenate([[1.0], np.cumprod(1.0 - ended / at_risk)[:-1]])
    return Steps(times, np.asarray(np.cumsum(alive * of_cause / at_risk), np.float64), 0.0)


def known_so_long(days: FloatArray, cause: IntArray, *, weight: FloatArray | None = None) -> Steps:
    """Return the probability of not being censored yet; where both fall on one moment, ends come first."""
    times, at_risk, ended, _ = _counts(days, cause, 0, weight)
    gone = _censored(days, cause, times, weight)
    left = np.maximum(at_risk - ended, 1e-12)
    kept = np.cumprod(1.0 - np.minimum(gone / left, 1.0))
    return Steps(times, np.asarray(kept, np.float64), 1.0)


def _counts(
    days: FloatArray, cause: IntArray, of: int, weight: FloatArray | None
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return distinct times, rows at risk, rows that end then, and those that end by cause ``of``."""
    w = np.ones(len(days)) if weight is None else weight
    times, place = np.unique(days, return_inverse=True)
    total = np.bincount(place, w, len(times))
    at_risk = np.maximum(np.cumsum(total[::-1])[::-1], 1e-12)
    ended, of_cause = (
        np.asarray(np.bincount(place, w * kind, len(times)), np.float64)
        for kind in (cause != 0, cause == of)
    )
    return times, np.asarray(at_risk, np.float64), ended, of_cause


def _censored(
    days: FloatArray, cause: IntArray, times: FloatArray, weight: FloatArray | None
) -> FloatArray:
    w = np.ones(len(days)) if weight is None else weight
    found = np.bincount(np.searchsorted(times, days), w * (cause == 0), len(times))
    return np.asarray(found, np.float64)


def harrell_c(
    risk: FloatArray, days: FloatArray, cause: IntArray, *, weight: FloatArray | None = None
) -> float:
    """Return the share of comparable pairs in which the riskier ends first (Harrell 1982); ties half.

    >>> harrell_c(np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]))
    1.0
    """
    w = np.ones(len(days)) if weight is None else weight
    one = np.ones(len(days))
    event = (cause != 0).astype(np.int64)
    return _concordance(_ranks(risk), days, event, w, one, np.inf)


def uno_c(
    risk: FloatArray, days: FloatArray, cause: IntArray, *,
    until: float = np.inf, weight: FloatArray | None = None,
) -> float:  # fmt: skip
    """Return the share of pairs in which the one that closes earlier had the higher risk.

    Pairs are weighted by the inverse probability of being known (Uno, Cai, Pencina, D'Agostino & Wei
    2011), so the figure does not depend on how long leads were followed. A lost lead closes never:
    it is compared with everyone who closes (Wolbers, Koller, Witteman & Steyerberg 2009; weights
    of Wolbers, Blanche, Koller, Witteman & Gerds 2014).

    Parameters
    ----------
    risk
        Higher is sooner, shape ``(n,)``.
    days, cause
        Time to the end; 0 censored, 1 closed, 2 lost.
    until
        Closings from here on are not counted.
    weight
        How often each row counts: whole numbers from a bootstrap.
    """
    w = np.ones(len(days)) if weight is None else weight
    known = np.maximum(known_so_long(days, cause, weight=w).before(days), LEAST_KNOWN)
    return _concordance(_ranks(risk), days, cause.astype(np.int64), w, known, until)


def _ranks(risk: FloatArray) -> IntArray:
    _, place = np.unique(risk, return_inverse=True)
    out: IntArray = place.astype(np.int64) + 1
    return out


def _concordance(
    rank: IntArray, days: FloatArray, cause: IntArray, weight: FloatArray,
    known: FloatArray, until: float,
) -> float:  # fmt: skip
    # Of rows at one moment the closings come first: they are compared with the others of that moment.
    order = np.lexsort((cause != 1, days)).astype(np.int64)
    right, total = _pairs(order, rank, days, cause, weight, known, until)
    return float(right / total) if total > 0 else float("nan")


@compiled
def _pairs(  # noqa: C901
    order: IntArray, rank: IntArray, days: FloatArray, cause: IntArray, weight: FloatArray,
    known: FloatArray, until: float,
) -> tuple[float, float]:  # fmt: skip
    """Count weighted pairs by two passes with a Fenwick tree over the ranks: n log n."""
    n = len(order)
    top = rank.max()
    right = 0.0
    total = 0.0
    tree = np.zeros(top + 1)
    inside = 0.0
    at = n - 1
    while at >= 0:  # against those that are known to last longer
        first = at
        while first > 0 and days[order[first - 1]] == days[order[at]]:
            first -= 1
        for j in range(at, first - 1, -1):
            i = order[j]
            if cause[i] != 1:
                inside += _add(tree, rank[i], weight[i])
        for j in range(at, first - 1, -1):
            i = order[j]
            if cause[i] == 1 and days[i] < until:
                w = weight[i] / (known[i] * known[i])
                total += w * inside
                right += w * _half_below(tree, rank[i])
        for j in range(at, first - 1, -1):
            i = order[j]
            if cause[i] == 1:
                inside += _add(tree, rank[i], weight[i])
        at = first - 1
    tree[:] = 0.0
    inside = 0.0
    for j in range(n):  # against those that were lost before
        i = order[j]
        if cause[i] == 1 and days[i] < until:
            w = weight[i] / known[i]
            total += w * inside
            right += w * _half_below(tree, rank[i])
        elif cause[i] == 2:
            inside += _add(tree, rank[i], weight[i] / known[i])
    return right, total


@compiled
def _add(tree: FloatArray, rank: int, amount: float) -> float:
    while rank < len(tree):
        tree[rank] += amount
        rank += rank & -rank
    return amount


@compiled
def _half_below(tree: FloatArray, rank: int) -> float:
    """Return the weight of lower ranks and half of the same one."""
    return 0.5 * (_sum(tree, rank) + _sum(tree, rank - 1))


@compiled
def _sum(tree: FloatArray, rank: int) -> float:
    found = 0.0
    while rank > 0:
        found += tree[rank]
        rank -= rank & -rank
    return found


def brier_rows(
    closed: FloatArray, days: FloatArray, cause: IntArray, *, at: float, known: Steps
) -> FloatArray:
    """Return each row's weighted squared error of "closed by day ``at``" (Graf 1999; Schoop 2011).

    The mean over rows estimates the Brier score had nobody been censored.

    Parameters
    ----------
    closed
        Stated probability, shape ``(n,)``.
    known
        What `known_so_long` gave for these rows.
    """
    ended = (days <= at) & (cause != 0)
    over = days > at
    happened = ended & (cause == 1)
    weight = np.zeros(len(days))
    weight[ended] = 1.0 / np.maximum(known.before(days[ended]), LEAST_KNOWN)
    weight[over] = 1.0 / max(float(known.at(np.array([at]))[0]), LEAST_KNOWN)
    return np.asarray(weight * (happened - closed) ** 2, np.float64)


def integrated_brier_rows(
    closed: FloatArray, days: FloatArray, cause: IntArray, *, times: FloatArray, known: Steps
) -> FloatArray:
    """Return each row's part of the integrated Brier score over ``times`` (trapezoids, per day).

    Parameters
    ----------
    closed
        Cumulative incidence of closing, shape ``(n, len(times))``.
    """
    found = np.column_stack(
        [brier_rows(closed[:, k], days, cause, at=t, known=known) for k, t in enumerate(times)]
    )
    out: FloatArray = np.trapezoid(found, times, axis=1) / (times[-1] - times[0])
    return out


def mean_days(curve: Steps, until: float) -> float:
    """Return the restricted mean time to closing: never, and later than ``until``, count as ``until``.

    >>> mean_days(Steps(np.array([10.0]), np.array([0.5]), 0.0), 30.0)
    20.0
    """
    return until - curve.area(until)


def days_if_closing(curve: Steps, until: float) -> float:
    """Return the mean time to closing of those that close within ``until``; NaN if none does.

    >>> days_if_closing(Steps(np.array([10.0]), np.array([0.5]), 0.0), 30.0)
    10.0
    """
    total = float(curve.at(np.array([until]))[0])
    return float("nan") if total <= 0 else until - curve.area(until) / total


def decile_errors(
    predicted: FloatArray, days: FloatArray, cause: IntArray, *,
    until: float, weight: FloatArray | None = None, groups: int = 10,
) -> FloatArray:  # fmt: skip
    """Return how far the mean of each tenth by ``predicted`` is off what came true, as a share.

    ``predicted`` is the restricted mean time to closing; what came true is `mean_days` of the
    Aalen-Johansen estimate within the tenth. Signed: above 0 the prediction was too late.
    """
    w = np.ones(len(days)) if weight is None else weight
    order = np.argsort(predicted, kind="stable")
    out = np.full(groups, np.nan)
    for g, rows in enumerate(np.array_split(order, groups)):
        if w[rows].sum() <= 0:
            continue
        truth = mean_days(aalen_johansen(days[rows], cause[rows], weight=w[rows]), until)
        out[g] = float(np.average(predicted[rows], weights=w[rows])) / truth - 1.0
    return out
