"""Splits in time; a random one only where there is no time, and then it says so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows teach and which are tested; ``kind`` is ``"time"`` or ``"random"``."""

    teach: BoolArray
    test: BoolArray
    kind: str


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
    return Split(teach, test, "time")


def pretend_times(rows: int, *, seed: int, start: pd.Timestamp, days: int = 365) -> pd.Series:
    """Return a random moment for each row of a file without dates, so that a time split becomes a random one.

    What follows from it is a random split and must be labelled so.

    >>> list(pretend_times(2, seed=0, start=pd.Timestamp("2020-01-01")).dt.year)
    [2020, 2020]
    """
    offset = np.random.default_rng(seed).integers(0, days, rows)
    return pd.Series(start + pd.to_timedelta(offset, unit="D"))
