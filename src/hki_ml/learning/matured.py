"""What had become of leads by any moment: the stretches of their lives that are over, as known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

from hki_ml.learning.lead_labels import CLOSED, DAY

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RECENT_LEADS = 500  # as many matured leads say how often leads close these days
STRETCHES = (7.0, 30.0)  # days at which a lead's life so far is looked at, before its horizon


@dataclass(frozen=True, slots=True, eq=False)
class Matured:
    """Stretches of leads' lives that are over, in the order in which that was known.

    A lead counts stretch by stretch (to day 7, to day 30, to its horizon): what closes quickly is
    known long before a horizon has passed.

    ``row`` is where each lead stands among the rows (its first landmark), ``closed`` whether it closed
    in that stretch, ``expected`` how often leads of its days did; ``first`` marks first stretches.
    """

    row: IntArray
    known_at: IntArray
    closed: FloatArray
    expected: FloatArray
    first: NDArray[np.bool_]

    @classmethod
    def of(cls, rows: pd.DataFrame, *, horizon_days: float) -> Matured:
        """Return the stretches of the leads in rows of ``lead_labels.landmarks``."""
        moment = rows["event_timestamp"].reset_index(drop=True)
        first = moment.sort_values(kind="stable").index.to_numpy()
        first = first[~rows["lead_id"].iloc[first].duplicated().to_numpy()]
        leads = rows.iloc[first]
        took = leads["ended_at"] - leads["event_timestamp"]
        has_closed = (leads["outcome"] == CLOSED).to_numpy()
        parts = []
        days = [d for d in STRETCHES if d < horizon_days] + [horizon_days]
        for start, stop in pairwise([-np.inf, *days]):
            due = leads["event_timestamp"] + stop * DAY
            closed = has_closed & (took <= stop * DAY).to_numpy()
            if np.isfinite(start):
                closed &= (took > start * DAY).to_numpy()
            at = microseconds(due.where(~closed, np.maximum(due, leads["ended_known_at"])))
            order = np.argsort(at, kind="stable")
            order = order[(due <= leads["known_until"]).to_numpy()[order]]
            ended = closed[order].astype(np.float64)
            is_first = np.full(len(order), not np.isfinite(start))
            parts.append((first[order], at[order], ended, _these_days(ended), is_first))
        row, known_at, ended, expected, firsts = map(np.concatenate, zip(*parts, strict=True))
        return cls(row, known_at, ended, expected, firsts)


def _these_days(closed: FloatArray) -> FloatArray:
    """Return how often leads closed of late, before each, forgetting over ``RECENT_LEADS``."""
    keep = 1 - 1 / RECENT_LEADS
    closings = np.concatenate([[0.0], lfilter([1.0], [1.0, -keep], closed)])[: len(closed)]
    leads = np.concatenate([[0.0], lfilter([1.0], [1.0, -keep], np.ones(len(closed)))])
    return np.asarray((closings + 0.5) / (leads[: len(closed)] + 1.0), np.float64)


def microseconds(times: pd.Series) -> IntArray:
    """Return moments as microseconds since 1970 (UTC)."""
    return np.asarray(times.astype("datetime64[us, UTC]").astype("int64"), np.int64)
