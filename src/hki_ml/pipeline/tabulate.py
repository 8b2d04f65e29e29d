"""From events to the tables of sales, facts and leads, each commit with its version of events."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hki_ml import tables
from hki_ml.errors import Conflict
from hki_ml.learning.contracts import contract_moments
from hki_ml.learning.lead_labels import landmarks
from hki_ml.ports import Lake, Span
from hki_ml.transforms.lead_state import COLUMNS, Activity, Surroundings, lead_state
from hki_ml.transforms.leads import KINDS as LEAD_KINDS
from hki_ml.transforms.leads import leads
from hki_ml.transforms.liens import KINDS as LIEN_KINDS
from hki_ml.transforms.liens import liens
from hki_ml.transforms.property_facts import KINDS as PROPERTY_KINDS
from hki_ml.transforms.property_facts import property_facts
from hki_ml.transforms.sales import sales
from hki_ml.transforms.source_quality import HORIZON_DAYS, CloseRates

APPLICATION = "events"
SALE_KINDS = ("sale.recorded",)
SURROUNDING_TABLES = ("property_facts", "property_value", "market_trend", "liens")
STATE_TABLES = ("events", "leads", *SURROUNDING_TABLES)
ATTEMPTS = 8
STATES_AT_ONCE = 100_000  # rows: bounds what is made and thrown away on the way to a state
VERSIONS_AT_ONCE = 4  # a version holds at most 65,536 events: bounds the memory of a step


def tabulate_sales(lake: Lake, *, on_progress: Callable[[int], None] = lambda _: None) -> int:
    """Append the sales among the events that are new since the last time; return how many."""
    added = conflicts = 0
    done = stored = lake.offset("sales", APPLICATION) or 0
    newest = lake.version("events")
    while done <= newest:
        until = min(done + VERSIONS_AT_ONCE - 1, newest)
        rows = sales(_events(lake, SALE_KINDS, since=done - 1, until=until))
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
    rows = property_facts(_events(lake, PROPERTY_KINDS, since=None, until=lake.version("events")))
    lake.replace("property_facts", rows)
    return int(rows.num_rows)


def tabulate_leads(lake: Lake) -> int:
    """Bring the table of leads up to the events and return its number of rows.

    How a lead ended depends on all its events, so the table is made anew.
    """
    if lake.version("events") < 0:
        return 0
    rows = leads(_events(lake, LEAD_KINDS, since=None, until=lake.version("events")))
    if rows.num_rows:
        lake.replace("leads", rows)
    return int(rows.num_rows)


def tabulate_liens(lake: Lake) -> int:
    """Bring the table of claims on homes up to the events and return its number of rows."""
    if lake.version("events") < 0:
        return 0
    rows = liens(_events(lake, LIEN_KINDS, since=None, until=lake.version("events")))
    if rows.num_rows:
        lake.replace("liens", rows)
    return int(rows.num_rows)


def tabulate_lead_state(lake: Lake, *, until: datetime) -> int:
    """Bring the state of leads up to ``until`` (whole seconds) and return its number of rows.

    There is a row at each landmark of each lead and contract, to learn from, and one at ``until``, to
    answer from.
    The versions of the tables behind it are kept, so that it can be made again.
    """
    if lake.version("leads") < 0:
        return 0
    versions = {table: lake.version(table) for table in STATE_TABLES}
    known = lake.read("leads", version=versions["leads"])
    moments = state_moments(known, until)
    parts = state_of(lake, known, moments, versions=versions)
    lake.replace_parts("lead_state", parts, count=moments.num_rows)
    run = [{"until": until, "table": t, "version": v} for t, v in versions.items()]
    known_runs = lake.read("state_runs").to_pylist()
    if any(row not in known_runs for row in run):  # the same once more is no other run
        lake.append("state_runs", pa.Table.from_pylist(run, tables.STATE_RUNS))
    return int(moments.num_rows)


def state_moments(known: pa.Table, until: datetime) -> pa.Table:
    """Return the leads and moments that are asked for: every landmark, also of contracts, and ``until``."""
    end = pd.Timestamp(until)
    parts = (landmarks(known, known_until=end), contract_moments(known, known_until=end))
    learned = pd.concat([part[["lead_id", "event_timestamp"]] for part in parts])
    learned = learned.drop_duplicates()
    now = pd.DataFrame({"lead_id": known["lead_id"].to_pandas(), "event_timestamp": end})
    both = pd.concat([learned[learned["event_timestamp"] < end], now], ignore_index=True)
    return pa.Table.from_pandas(both, preserve_index=False)


def state_of(
    lake: Lake, known: pa.Table, moments: pa.Table, *, versions: Mapping[str, int]
) -> Iterator[pa.Table]:
    """Yield the state of leads at moments, from the lake as it was at these versions of its tables.

    In parts: as a whole it would be gigabytes. Facts of leads, which each moment repeats, are dictionaries.
    """
    events = lake.batches("events", columns=COLUMNS, until=versions["events"])
    activity = Activity.of(events, known["lead_id"].combine_chunks())
    around, rates = surroundings(lake, versions), CloseRates.of(known, horizon_days=HORIZON_DAYS)
    facts = known["facts_json"].unique().drop_null()
    for begin in range(0, max(moments.num_rows, 1), STATES_AT_ONCE):
        asked = moments.slice(begin, STATES_AT_ONCE)
        yield _folded(lead_state(asked, known, activity, around, rates=rates), facts)


def _folded(rows: pa.Table, facts: pa.Array) -> pa.Table:
    """Return rows of state with the texts of facts as places in all there are."""
    for name in ("lead_facts_json", "history_home_facts_json"):
        place = pc.index_in(rows[name].combine_chunks(), value_set=facts)
        folded = pa.DictionaryArray.from_arrays(place, facts)
        rows = rows.set_column(rows.schema.get_field_index(name), name, folded)
    return rows


def surroundings(lake: Lake, versions: Mapping[str, int]) -> Surroundings:
    """Return what stood around leads, at these versions of the tables."""
    found = (
        lake.read(table, version=versions[table])
        if versions.get(table, -1) >= 0  # never written then: as it was made before there was one
        else tables.SCHEMAS[table].empty_table()
        for table in SURROUNDING_TABLES
    )
    return Surroundings(*found)


def _events(lake: Lake, kinds: Sequence[str], *, since: int | None, until: int) -> pa.Table:
    """Return the events of these kinds; the others are passed over batch by batch."""
    wanted = pa.array(kinds)
    batches = lake.batches("events", since=since, until=until)
    kept = (batch.filter(pc.is_in(batch.column("event_type"), wanted)) for batch in batches)
    return pa.Table.from_batches(kept, tables.EVENTS)
