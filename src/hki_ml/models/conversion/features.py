"""What the odds are made of: the shared matrix of lead features, once a period."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hki_ml.models.conversion.labels import EDGES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
STAGE = "history_stage"


def with_period(table: FloatArray, row: IntArray, period: IntArray) -> FloatArray:
    """Return the matrix's rows with the period's number as a last column, shape ``(n, columns + 1)``."""
    return np.column_stack([table[row], period.astype(np.float64)])


def every_period(table: FloatArray) -> FloatArray:
    """Return each row once a period, shape ``(n * periods, columns + 1)``."""
    count = len(EDGES)
    row = np.repeat(np.arange(len(table)), count)
    return with_period(table, row, np.tile(np.arange(count), len(table)))
