"""How honest and how narrow intervals are, and how sure a measure is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

FloatArray = NDArray[np.float64]
Measure = Callable[[FloatArray, FloatArray], float]
Weighted = Callable[[FloatArray], float]


def coverage(truth: FloatArray, low: FloatArray, high: FloatArray) -> float:
    """Return the percentage of truths inside their interval; honest when near the nominal level.

    >>> coverage(np.array([1.0, 5.0]), np.array([0.0, 0.0]), np.array([2.0, 2.0]))
    50.0
    """
    return float(100 * ((truth >= low) & (truth <= high)).mean())


def median_width(value: FloatArray, low: FloatArray, high: FloatArray) -> float:
    """Return the median width in percent of the value; always read beside `coverage`.

    >>> round(median_width(np.array([100.0]), np.array([90.0]), np.array([115.0])), 6)
    25.0
    """
    return float(100 * np.median((high - low) / value))


def bootstrap(
    measure: Measure, truth: FloatArray, value: FloatArray, *, seed: int = 0, draws: int = 300
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a measure over resampled rows (Efron 1979)."""
    random = np.random.default_rng(seed)
    found = np.empty(draws)
    for i in range(draws):
        rows = random.integers(0, len(truth), len(truth))
        found[i] = measure(truth[rows], value[rows])
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def share_interval(percentage: float, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's interval of a percentage of ``n`` rows (Wilson 1927).

    >>> tuple(round(v, 1) for v in share_interval(80.0, 100))
    (71.1, 86.7)
    """
    p, z = percentage / 100, float(norm.isf((1 - confidence) / 2))
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return 100 * (middle - half), 100 * (middle + half)


def cluster_bootstrap(
    measures: Mapping[str, Weighted], cluster: NDArray[Any], *, seed: int = 0, draws: int = 200
) -> dict[str, tuple[float, float]]:
    """Return 95 % percentile intervals of several measures over resampled clusters of rows.

    Rows of one cluster (the landmarks of a lead) are drawn together (Field and Welsh 2007).

    Parameters
    ----------
    measures
        Name → measure of a weight a row.
    cluster
        Which cluster each row is of, shape ``(n,)``.
    """
    random = np.random.default_rng(seed)
    _, member = np.unique(cluster, return_inverse=True)
    count = int(member.max()) + 1
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(draws):
        weight = np.bincount(random.integers(0, count, count), minlength=count)[member]
        for name, measure in measures.items():
            found[name].append(measure(weight.astype(np.float64)))
    intervals = {}
    for name, values in found.items():
        low, high = np.nanquantile(values, [0.025, 0.975])
        intervals[name] = (float(low), float(high))
    return intervals
