"""How near curves of times to an end are to what came true, and how right the mean times are.

Ends compete: a lost lead never closes. It stays in every comparison as one whose closing never comes,
and is not censored by being lost. What is censored (still open when knowledge ends) is weighted by the
inverse probability of being known so long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LEAST_KNOWN = 0.02  # a weight above 50 would let one row speak for the whole table


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
