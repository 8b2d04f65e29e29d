"""Two models on the same examples: how much one is ahead, where whole entities vary and not single rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gap:
    """A mean difference with its interval: below 0 the first of the two has the lower loss.

    ``n`` counts rows, ``entities`` the clusters that they come from; ``error`` is the standard error.
    """

    mean: float
    low: float
    high: float
    error: float
    n: int
    entities: int


def gap(difference: FloatArray, entity: NDArray[np.object_], *, confidence: float = 0.95) -> Gap:
    """Return the mean of row-wise differences with its two-sided interval over entities.

    The variance is that of a ratio of cluster sums (Cochran 1977, §6; Cameron and Miller 2015 for the
    small-sample factor), so that ten rows of one lead do not count as ten leads.

    Parameters
    ----------
    difference
        Loss of the first model less that of the second, shape ``(n,)``.
    entity
        What rows belong together by, shape ``(n,)``.
    """
    n = len(difference)
    _, place = np.unique(entity.astype(str), return_inverse=True)
    rows = np.bincount(place).astype(np.float64)
    count = len(rows)
    if count < 2:
        value = float(np.mean(difference)) if n else float("nan")
        return Gap(value, -np.inf, np.inf, np.inf, n, count)
    mean = float(difference.mean())
    left = np.bincount(place, difference) - mean * rows
    error = float(np.sqrt(np.sum(left**2) * count / (count - 1)) / n)
    half = error * float(student.ppf(0.5 + confidence / 2, count - 1))
    return Gap(mean, mean - half, mean + half, error, n, count)
