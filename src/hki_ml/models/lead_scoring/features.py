"""The matrix that the trees see: which way each column may push, and what "never" is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_matrix import LeadMatrix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RATE = "lead_close_rate"
"""How often leads close these days: where trees start from, never what they split on (it tells time)."""

NEVER_DAYS = 3650.0  # longer ago than any lead lives: "never" lies beyond "long ago"
NEVER = ("recency_two_way_days", "recency_contact_days")

RISING = (
    "engagement_replies_", "engagement_visits_", "lead_engagement_score", "history_stage",
    "lead_source_quality",
)  # fmt: skip
FALLING = (
    "lead_recency", "recency_two_way_days", "history_contacts_unanswered", "property_price_gap",
)  # fmt: skip
FREE = ("history_stage_days",)


def directions(matrix: LeadMatrix) -> IntArray:
    """Return of each column whether more of it may only raise (1) or lower (-1) the score, 0 for free.

    A category's column is how often its leads closed: it may only raise.
    """
    return np.array([_direction(name, matrix) for name in matrix.names], np.int64)


def _direction(name: str, matrix: LeadMatrix) -> int:
    if name in matrix.rates:
        return 1
    if name in FREE:
        return 0
    if name.startswith(RISING):
        return 1
    return -1 if name.startswith(FALLING) else 0


def prepared(table: FloatArray, names: Sequence[str]) -> FloatArray:
    """Return the matrix with "never" as longer ago than anything, shape as given."""
    out = table.copy()
    for name in NEVER:
        if name in names:
            column = out[:, list(names).index(name)]
            column[np.isnan(column)] = NEVER_DAYS
    return out


def starting_log_odds(
    table: FloatArray, names: Sequence[str], *, usual: float, follows_rate: bool
) -> FloatArray:
    """Return where the trees start: log-odds of the rate as known at each moment, else the usual one's."""
    rate = np.full(len(table), usual)
    if follows_rate and RATE in names:
        known = table[:, list(names).index(RATE)]
        rate = np.where(np.isnan(known), usual, known)
    rate = np.clip(rate, 0.002, 0.998)
    return np.asarray(np.log(rate) - np.log1p(-rate), np.float64)
