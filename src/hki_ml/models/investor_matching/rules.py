"""The rule engine that we are held against: 40 location, 25 budget, 15 type, 10 cash, 10 history."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hki_ml.models.investor_matching.features import NAMES, Habits

FloatArray = NDArray[np.float64]
FULL_HISTORY = 10.0  # this many positive answers are all of the ten points


def rule_points(table: FloatArray, habits: Habits) -> FloatArray:
    """Return the points of rows of the matrix, 0 to 100; what nobody said counts half."""

    def column(name: str) -> FloatArray:
        return table[:, NAMES.index(name)]

    outside = np.nan_to_num(column("criteria_price_outside"), nan=0.3)
    budget = np.clip(1 - outside / 0.3, 0.0, 1.0)
    own = np.log(habits.usual / (1 - habits.usual)) + column("habit_rate")
    answers = (column("habit_offers_n") + 6) / (1 + np.exp(-own)) - 6 * habits.usual
    return np.asarray(
        40 * column("criteria_area")
        + 25 * budget
        + 15 * column("criteria_type")
        + 10 * np.nan_to_num(column("criteria_cash"), nan=0.5)
        + 10 * np.clip(answers / FULL_HISTORY, 0.0, 1.0),
        np.float64,
    )
