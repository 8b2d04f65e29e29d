"""Rows of leads become rows of periods: open at its start, and closed, lost or still open at its end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.lead_labels import Ends

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

EDGES: tuple[float, ...] = (
    1.0, 3.0, 7.0, 14.0, 21.0, 30.0, 45.0, 60.0, 75.0, 90.0, 120.0, 150.0, 180.0, 240.0, 300.0, 365.0,
)  # fmt: skip
"""Days at the end of each period: short where most happens."""
FEWEST_CLOSINGS = 30
FEWEST_AT_RISK = 100  # a period that fewer entered is not learned from


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Rows of periods.

    Attributes
    ----------
    row
        Which row of leads each is of.
    period
        Place in ``EDGES``.
    ending
        0 still open at its end, 1 closed in it, 2 lost in it.
    weight
        Share of the period that was seen, times how many rows it stands for.
    """

    row: IntArray
    period: IntArray
    ending: IntArray
    weight: FloatArray


def periods(ends: Ends, *, most: int, seed: int) -> Periods:
    """Return the periods that were lived through, at most about ``most`` of them.

    Every ending is kept; of the periods in which nothing ended some are drawn and stand for the rest.

    Raises
    ------
    NotEnoughData
        If fewer than 30 rows close.
    """
    if (ends.cause == 1).sum() < FEWEST_CLOSINGS:
        got = int((ends.cause == 1).sum())
        raise NotEnoughData(f"expected {FEWEST_CLOSINGS} closings or more, got {got}")
    start = np.concatenate([[0.0], EDGES[:-1]])
    width = np.diff(np.concatenate([[0.0], EDGES]))
    last = np.searchsorted(EDGES, ends.days)  # the period in which a row ends or is last seen
    count = np.minimum(last + 1, len(EDGES))
    row = np.repeat(np.arange(len(last)), count)
    period = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    is_last = period == last[row]
    ending = np.where(is_last, ends.cause[row], 0)
    seen = np.clip((ends.days[row] - start[period]) / width[period], 0.0, 1.0)
    weight = np.where(ending > 0, 1.0, seen)
    entered = np.bincount(period, weight, len(EDGES)) >= FEWEST_AT_RISK
    keep = entered[period] & (weight > 1e-3)
    quiet = keep & (ending == 0)
    share = min(1.0, max(most - int((keep & (ending > 0)).sum()), most // 4) / max(quiet.sum(), 1))
    drawn = np.random.default_rng(seed).random(len(row)) < share
    kept = np.flatnonzero(keep & ((ending > 0) | drawn))
    weight = np.where(ending == 0, weight / share, weight)
    return Periods(row[kept], period[kept], ending[kept].astype(np.int64), weight[kept])
