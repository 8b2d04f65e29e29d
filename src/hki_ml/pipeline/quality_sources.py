"""What sources send, kind by kind: days without anything, and kinds that a source has stopped sending."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hki_ml.monitoring.check import Check, unknown
from hki_ml.monitoring.quality import empty_days
from hki_ml.monitoring.upstream import daily_counts, first_moved

HISTORY = timedelta(days=28)  # over which days without anything, and stops, are told
BEFORE = timedelta(days=56)
NEWS = timedelta(
    days=7
)  # a day that is longer gone was told, and must not hold up learning for ever
LEAST_DAYS = 14
MOSTLY = 0.5
SILENT = 0.05  # of what it sent before
OURS = "prediction.made"  # what we said ourselves is no upstream


def looks(events: pa.Table, now: datetime) -> list[Check]:
    """Return the checks of every source: of its days, and of each kind of event it sent.

    Parameters
    ----------
    events
        ``source``, ``event_type``, ``occurred_at`` and ``received_at``. Today is not over and does
        not count.
    """
    last = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = last - BEFORE
    at = events["occurred_at"]
    is_late = pc.and_(
        pc.greater_equal(at, pa.scalar(first, at.type)), pc.less(at, pa.scalar(last, at.type))
    )
    is_theirs = pc.not_equal(events["event_type"], OURS)
    told = events.filter(pc.and_(is_late, is_theirs))
    told = told.select(["source", "event_type", "occurred_at", "received_at"]).to_pandas()
    if told.empty:
        return []
    counts = daily_counts(told, first=first, last=last)
    whole = daily_counts(told.assign(event_type="anything"), first=first, last=last)
    # Rows of files are received when they happened, so the end of a file is no feed that stopped.
    is_live = (told["received_at"] > told["occurred_at"]).groupby(
        [told["source"], told["event_type"]]
    )
    live = {of for of, share in is_live.mean().items() if share > MOSTLY}
    found = []
    for of, by_day in (whole | counts).items():
        stopped = _stopped(of, by_day) if of in live else None
        found.append(stopped or _days(f"{of[0]}:{of[1]}", by_day, last))
    return found


def _days(name: str, counts: pd.Series, last: datetime) -> Check:
    """Return the check of days without anything; only those of the last week are news.

    A kind that had such days in the weeks before, other than on its days off, has them by habit.
    """
    check = empty_days(name, counts[counts.index >= pd.Timestamp(last - HISTORY)])
    if not check.signal:
        return check
    before = counts[(counts.cumsum() > 0) & (counts.index < pd.Timestamp(last - NEWS))]
    is_empty = before == 0
    is_off = is_empty.groupby(pd.DatetimeIndex(before.index).dayofweek).transform("mean") > MOSTLY
    usual = int((is_empty & ~is_off).sum())
    if usual:
        why = f"{usual} of {len(before)} earlier days had none either"
        return unknown("data_quality", check.subject, check.n, why)
    first = (last - NEWS).date().isoformat()
    late = [day for day in check.detail["days"] if day >= first]
    return replace(check, signal=bool(late), at_once=bool(late), detail={"days": late})


def _stopped(of: tuple[str, str], counts: pd.Series) -> Check | None:
    """Return the check of a kind of event that its source has stopped sending, with since when."""
    seen = counts[counts.cumsum() > 0]
    if len(seen) < LEAST_DAYS:
        return None
    found = first_moved({of: seen})
    if found is None or found.after >= SILENT * found.before:
        return None
    return Check(
        "data_quality", f"empty_days:{of[0]}:{of[1]}", int(seen.sum()), value=found.after,
        reference=found.before, threshold=SILENT * found.before, raw_signal=True, signal=True,
        at_once=True, detail={"since": found.since.isoformat(), "said": str(found)},
    )  # fmt: skip
