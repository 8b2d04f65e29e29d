"""Which leads teach what: moments at which they were still open, and what was known of their end.

A label matures. A lead that has not had its horizon yet is censored, not negative; what was not known
at the moment of training is not known to training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_features import LANDMARK_DAYS

if TYPE_CHECKING:
    import pyarrow as pa

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CLOSED, LOST = "closed", "lost"
DAY = pd.Timedelta(days=1)
ENDS = ("outcome", "ended_at", "ended_known_at", "outcome_source")
"""Columns of the table ``leads`` that say how a lead ended, when, since when it is known, and from where."""


def landmarks(
    leads: pa.Table, *, known_until: pd.Timestamp, days: Sequence[int] = LANDMARK_DAYS
) -> pd.DataFrame:
    """Return a row a lead and landmark day at which it was known and still open.

    At day 0 every lead counts as open: files with dates alone let some end on the day they came.

    Parameters
    ----------
    leads
        Table ``leads``.
    known_until
        Nothing later is known (aware): later landmarks do not exist, later ends are not known.
    days
        Days after its arrival at which a lead is looked at.

    Returns
    -------
    Columns ``lead_id``, ``event_timestamp`` (the landmark), ``landmark_days``, ``created_at``, those of
    ``ENDS`` and ``known_until``, ordered by landmark and lead.
    """
    known: pd.DataFrame = leads.select(
        ["lead_id", "created_at", "created_known_at", *ENDS]
    ).to_pandas()
    known = known[known["created_known_at"] <= known_until]
    parts = []
    for day in days:
        moment = known["created_known_at"] + day * DAY
        is_open = known["ended_at"].isna() | (known["ended_at"] > moment) | (day == 0)
        part = known.assign(event_timestamp=moment, landmark_days=float(day))
        parts.append(part[is_open & (moment <= known_until)])
    rows = pd.concat(parts).sort_values(["event_timestamp", "lead_id"], kind="stable")
    rows = hide_later(rows.assign(known_until=known_until), known_until)
    return rows.drop(columns="created_known_at").reset_index(drop=True)


def known_until(leads: pa.Table) -> pd.Timestamp:
    """Return the last moment at which anything of these leads became known."""
    moments: pd.DataFrame = leads.select(["created_known_at", "ended_known_at"]).to_pandas()
    last: pd.Timestamp = moments.max().max()
    return last


def hide_later(rows: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """Return rows with ends that were not known at the moment taken away, and nothing known beyond it."""
    late = ~(rows["ended_known_at"] <= moment)
    hidden = rows.assign(known_until=moment)
    hidden.loc[late, ["outcome", "outcome_source"]] = None
    hidden.loc[late, ["ended_at", "ended_known_at"]] = pd.NaT
    return hidden


@dataclass(frozen=True, slots=True)
class Closing:
    """Whether each row's lead closed within a horizon, and whether that is known.

    Attributes
    ----------
    closed
        True where it closed within the horizon, shape ``(n,)``.
    matured
        True where the horizon has passed. Of a younger cohort only the quick ends are known, and they
        would speak for all.
    """

    closed: BoolArray
    matured: BoolArray


HORIZON_DAYS = 90.0


def horizon_of(rows: pd.DataFrame) -> float:
    """Return the horizon that the rows are judged at: their ``horizon_days``, else 90 days."""
    return float(rows["horizon_days"].iloc[0]) if "horizon_days" in rows else HORIZON_DAYS


def closing_within(rows: pd.DataFrame, days: float) -> Closing:
    """Return the label "closed within ``days`` of the landmark" of each row of ``landmarks``."""
    horizon = rows["event_timestamp"] + pd.Timedelta(days=days)
    in_time = (rows["ended_at"] <= horizon).to_numpy()
    closed = (rows["outcome"] == CLOSED).to_numpy() & in_time
    return Closing(closed, (horizon <= rows["known_until"]).to_numpy())


@dataclass(frozen=True, slots=True)
class Ends:
    """When and how each row's lead ended, seen from its landmark.

    Attributes
    ----------
    days
        Days to the end, or to where knowledge ends, shape ``(n,)``; above 0.
    cause
        0 still open, 1 closed, 2 lost.
    """

    days: FloatArray
    cause: NDArray[np.int64]


SHORTEST_DAYS = 1 / 1440  # a minute: files with dates only let a lead end the day it came


def ends(rows: pd.DataFrame) -> Ends:
    """Return the time to the end of each row of ``landmarks``, censored where it is not known."""
    last = rows["ended_at"].where(rows["outcome"].notna(), rows["known_until"])
    days = (last - rows["event_timestamp"]).dt.total_seconds().to_numpy(np.float64) / 86_400
    cause = np.zeros(len(rows), np.int64)
    cause[(rows["outcome"] == CLOSED).to_numpy()] = 1
    cause[(rows["outcome"] == LOST).to_numpy()] = 2
    return Ends(np.maximum(days, SHORTEST_DAYS), cause)


@dataclass(frozen=True, slots=True)
class TrialRows:
    """Rows to learn from, as known at the cut-off, and rows of leads that came later."""

    teach: pd.DataFrame
    test: pd.DataFrame


def split_leads(
    rows: pd.DataFrame, *, cutoff: pd.Timestamp, until: pd.Timestamp | None = None
) -> TrialRows:
    """Split in time and by lead: what teaches was known before ``cutoff``, what tests came from it on.

    A lead that came before the cut-off is never tested on, though it may have landmarks later.
    """
    teach = rows[rows["event_timestamp"] < cutoff]
    is_later = rows["created_at"] >= cutoff
    if until is not None:
        is_later &= rows["created_at"] < until
    return TrialRows(hide_later(teach, cutoff), rows[is_later])
