"""What earlier leads of the same home tell of a lead, as known at asked moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DAY_US = 86_400 * 1_000_000
UNKNOWN_HOME = -1
NEVER = np.iinfo(np.int64).max


def home_history(leads: pa.Table, lead: IntArray, asked: IntArray) -> dict[str, pa.Array]:
    """Return the columns ``history_home_*`` of ``tables.LEAD_STATE`` for each asked lead and moment.

    The leads before it are those known strictly before it was; of ends those that were known strictly
    before the moment. Nothing is counted over a home's whole past: how long leads have been
    recorded tells the date, not the home.

    Parameters
    ----------
    leads
        Table ``leads``, ordered by when each was known.
    lead, asked
        Row in ``leads`` and moment (microseconds since 1970), each of shape ``(n,)``.
    """
    home = _homes(leads)
    known, created, ended_known, ended = (
        _us(leads[name])
        for name in ("created_known_at", "created_at", "ended_known_at", "ended_at")
    )
    last = _last_before(home, known)
    gap = np.where(last >= 0, (created - created[last]) / DAY_US, np.nan)
    has_closed = (leads["outcome"].to_pandas() == "closed").to_numpy()
    # An end may be told before its lead is; it is the end of a lead only from then on.
    ended_known = np.maximum(ended_known, known)
    ends = _Ends.of(home, ended_known, has_closed, (ended - created) / DAY_US)
    told = ends.before(home[lead], lead, asked)
    found = {
        f"history_home_{name}": pa.array(values, from_pandas=True)
        for name, values in {"gap_days": gap[lead], **told}.items()
    }
    before = pa.array(np.where(last[lead] >= 0, last[lead], 0), mask=last[lead] < 0)
    return {**found, "history_home_facts_json": leads["facts_json"].combine_chunks().take(before)}


def _homes(leads: pa.Table) -> IntArray:
    """Return a number a home, -1 where it is not known."""
    codes = leads["property_id"].combine_chunks().dictionary_encode().indices
    return np.asarray(codes.fill_null(UNKNOWN_HOME).to_numpy(), np.int64)


def _us(column: pa.ChunkedArray) -> IntArray:
    """Return moments in microseconds since 1970, the far future where there is none."""
    return np.asarray(pc.cast(column, pa.int64()).fill_null(NEVER).to_numpy(), np.int64)


def _last_before(home: IntArray, known: IntArray) -> IntArray:
    """Return which lead of each lead's home was the last known before it, or -1."""
    order = np.lexsort((known, home))
    first_of_home = np.searchsorted(home[order], home[order])
    times, rank = np.unique(known, return_inverse=True)
    place = (home[order] + 1) * len(times) + rank[order]
    begin = np.searchsorted(
        place, place
    )  # leads known at the same moment are not before one another
    last = np.full(len(home), -1, np.int64)
    has_one = begin > first_of_home
    last[order[has_one]] = order[begin[has_one] - 1]
    last[home == UNKNOWN_HOME] = -1
    return last


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """The ends of leads by home and then by when they were known; ``at`` is each lead's place, or -1."""

    times: IntArray
    place: IntArray
    at: IntArray
    closed: FloatArray
    days: FloatArray

    @classmethod
    def of(
        cls, home: IntArray, known: IntArray, has_closed: NDArray[np.bool_], days: FloatArray
    ) -> _Ends:
        ended = np.flatnonzero((known < NEVER) & (home != UNKNOWN_HOME))
        order = ended[np.lexsort((known[ended], home[ended]))]
        times, rank = np.unique(known[order], return_inverse=True)
        at = np.full(len(home), -1, np.int64)
        at[order] = np.arange(len(order))
        place = home[order] * (len(times) + 1) + rank
        return cls(times, place, at, has_closed[order].astype(np.float64), days[order])

    def before(self, home: IntArray, lead: IntArray, asked: IntArray) -> dict[str, FloatArray]:
        """Return what was known strictly before each moment of how other leads of the home ended."""
        first = home * (len(self.times) + 1)
        start = np.searchsorted(self.place, first)
        stop = np.searchsorted(self.place, first + np.searchsorted(self.times, asked))
        own = self.at[lead]
        has_own = (own >= start) & (own < stop)
        count = (stop - start - has_own).astype(np.float64)
        has_one = count > 0
        sums = np.concatenate([[0.0], np.cumsum(self.closed)])
        closed = np.append(self.closed, np.nan)
        closings = sums[stop] - sums[start] - np.where(has_own, closed[own], 0.0)
        last = np.where(has_one, stop - 1 - (has_own & (own == stop - 1)), -1)
        return {
            "closed_share": np.where(has_one, closings / np.maximum(count, 1.0), np.nan),
            "last_closed": closed[last],
            "last_days": np.append(self.days, np.nan)[last],
        }
