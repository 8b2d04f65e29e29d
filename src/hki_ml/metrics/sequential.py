"""A difference between two arms that may be looked at at any time: an asymptotic confidence sequence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chisquare

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
TIGHTEST_AT = 2_000
FEWEST_EACH = 150  # below, the asymptotics do not hold: no interval at all


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean outcome of the treated less that of the others, with an interval that holds at every look."""

    mean: float
    low: float
    high: float
    treated: int
    others: int


def difference(
    outcome: FloatArray, treated: BoolArray, propensity: FloatArray, *, alpha: float = 0.05
) -> Difference:
    """Return the effect of treatment, weighted by how likely each unit was to be treated.

    Each of shape ``(n,)``, in order of time; ``propensity`` in (0, 1) is the probability of treatment
    as it was when the unit was assigned, so that stages of different shares can be pooled. Below
    ``FEWEST_EACH`` units an arm the interval is the whole line. Source: Waudby-Smith et al. 2021,
    "Time-uniform central limit theory" (arXiv 2103.06476), equation 14, with inverse propensity
    weights and outcomes centred on the running mean of those before.
    """
    n, count = len(outcome), int(treated.sum())
    if min(count, n - count) < FEWEST_EACH:
        mean = (
            float(outcome[treated].mean() - outcome[~treated].mean())
            if 0 < count < n
            else float("nan")
        )
        return Difference(mean, -np.inf, np.inf, count, n - count)
    before = np.concatenate([[0.0], np.cumsum(outcome)[:-1]]) / np.maximum(np.arange(n), 1)
    weight = np.where(treated, 1 / propensity, -1 / (1 - propensity))
    effect = weight * (outcome - before)
    mean = float(effect.mean())
    half = _radius(n, float(effect.var()), alpha)
    return Difference(mean, mean - half, mean + half, count, n - count)


def _radius(n: int, variance: float, alpha: float) -> float:
    rho2 = (-2 * np.log(alpha) + np.log(-2 * np.log(alpha)) + 1) / TIGHTEST_AT
    wide = (n * rho2 + 1) / (n**2 * rho2)
    return float(np.sqrt(2 * wide * np.log(np.sqrt(n * rho2 + 1) / alpha) * variance))


def ratio_mismatch(treated: BoolArray, propensity: FloatArray) -> float:
    """Return how likely so uneven a split is by chance (chi-square): below .001 the split is broken."""
    expected = float(propensity.sum())
    n = len(treated)
    if not 0 < expected < n:
        return 1.0
    seen = [float(treated.sum()), float(n - treated.sum())]
    return float(chisquare(seen, [expected, n - expected]).pvalue)
