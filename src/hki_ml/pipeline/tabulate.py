"""From events to the tables of sales and of facts, each commit with the version of events it comes from."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from hki_ml import tables
from hki_ml.errors import Conflict
from hki_ml.ports import Lake, Span
from hki_ml.transforms.property_facts import property_facts
from hki_ml.transforms.sales import sales

APPLICATION = "events"
ATTEMPTS = 8
VERSIONS_AT_ONCE = 4  # a version holds at most 65,536 events: bounds the memory of a step


def tabulate_sales(lake: Lake, *, on_progress: Callable[[int], None] = lambda _: None) -> int:
    """Append the sales among the events that are new since the last time; return how many."""
    added = conflicts = 0
    done = stored = lake.offset("sales", APPLICATION) or 0
    newest = lake.version("events")
    while done <= newest:
        until = min(done + VERSIONS_AT_ONCE - 1, newest)
        rows = sales(_events(lake, since=done - 1, until=until))
        done = until + 1
        if not rows.num_rows:  # no commit for nothing: who waits for new sales looks at the version
            continue
        try:
            lake.append("sales", rows, spans={APPLICATION: Span(stored, done)})
        except Conflict:  # another did the same step
            conflicts += 1
            if conflicts == ATTEMPTS:
                raise
        else:
            added += rows.num_rows
            on_progress(rows.num_rows)
        done = stored = lake.offset("sales", APPLICATION) or 0
    return added


def tabulate_property_facts(lake: Lake) -> int:
    """Bring the table of facts up to the events and return its number of rows.

    Facts of a home depend on all its events, also late ones, so the table is made anew.
    """
    if lake.version("events") < 0:
        return 0
    rows = property_facts(_events(lake, since=None, until=lake.version("events")))
    lake.replace("property_facts", rows)
    return int(rows.num_rows)


def _events(lake: Lake, *, since: int | None, until: int) -> pa.Table:
    return pa.Table.from_batches(lake.batches("events", since=since, until=until), tables.EVENTS)
