"""Splits in time: what teaches lies strictly before what is tested."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows teach and which are tested."""

    teach: BoolArray
    test: BoolArray


def split_in_time(
    times: pd.Series, *, cutoff: pd.Timestamp, until: pd.Timestamp | None = None
) -> Split:
    """Return rows strictly before ``cutoff`` to teach, and those from it on to test.

    Raises
    ------
    NotEnoughData
        If either side is empty.
    """
    teach = (times < cutoff).to_numpy()
    test = (times >= cutoff).to_numpy()
    if until is not None:
        test &= (times < until).to_numpy()
    if not teach.any() or not test.any():
        raise NotEnoughData(
            f"expected rows before and from {cutoff:%Y-%m-%d}, got {int(teach.sum())} and "
            f"{int(test.sum())} between {times.min():%Y-%m-%d} and {times.max():%Y-%m-%d}"
        )
    return Split(teach, test)
