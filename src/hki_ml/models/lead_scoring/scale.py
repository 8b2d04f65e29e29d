"""The scale of the score: fixed odds, so that 80 means the same in every version."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

REFERENCE_LOG_ODDS = math.log(1 / 9)
"""Score 50: one lead in ten closes."""
POINTS_PER_LOG_ODDS = 10 / math.log(2)
"""10 points double the odds."""

BANDS: tuple[tuple[float, str], ...] = (
    (70.0, "high-priority"),
    (50.0, "medium-priority"),
    (0.0, "low-priority"),
)
"""From which score on (70: odds of 4 in 9 and better, nearly one in three) which priority."""


def points_of(margin: float) -> float:
    """Return the score of calibrated log-odds, 0 to 100.

    >>> points_of(math.log(1 / 9)), round(points_of(math.log(8 / 9)), 6), points_of(-50.0)
    (50.0, 80.0, 0.0)
    """
    points = 50 + POINTS_PER_LOG_ODDS * (margin - REFERENCE_LOG_ODDS)
    return min(max(points, 0.0), 100.0)


def scores_of(margin: FloatArray) -> FloatArray:
    """Return the scores of calibrated log-odds, shape as given."""
    return np.clip(50 + POINTS_PER_LOG_ODDS * (margin - REFERENCE_LOG_ODDS), 0.0, 100.0)


def recommendation_of(score: float) -> str:
    """Return the priority of a score.

    >>> recommendation_of(85.0), recommendation_of(12.0)
    ('high-priority', 'low-priority')
    """
    return next(name for lowest, name in BANDS if score >= lowest)
