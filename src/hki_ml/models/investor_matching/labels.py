"""The label: a positive answer (asked, toured, offered) within two weeks of being shown the deal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

HORIZON = pd.Timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of each offer's answer; each of shape ``(n,)``.

    Attributes
    ----------
    positive
        1 if a positive answer within the horizon is known, else 0.
    matured
        Whether the whole horizon has passed: only these teach and are judged on.
    """

    positive: FloatArray
    matured: BoolArray


def labels(rows: pd.DataFrame, *, known_until: pd.Timestamp) -> Labels:
    """Return the labels of rows of the spine, by what was received by a moment."""
    answered = rows["positive_at"] - rows["event_timestamp"]
    known = rows["positive_known_at"] <= known_until
    positive = (known & (answered <= HORIZON)).to_numpy()
    matured = (rows["event_timestamp"] + HORIZON <= known_until).to_numpy()
    return Labels(positive.astype(np.float64), matured)
