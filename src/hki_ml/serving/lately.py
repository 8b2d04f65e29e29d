"""What happened since states were last made, taken again when a service starts."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from hki_ml.events import AnyEvent
from hki_ml.ports import Lake
from hki_ml.serving.live_leads import OVERLAP, LiveLeads
from hki_ml.transforms.events import event_of


def recall(lake: Lake, leads: LiveLeads, hear: Callable[[AnyEvent], None] = lambda _: None) -> int:
    """Let accepted events that no state holds yet count again; return how many there were.

    ``hear`` is told each event of leads and of investors, in order of the lake.

    Where no state was ever made there is nothing that they could be added to.
    """
    runs = [row for row in lake.read("state_runs").to_pylist() if row["table"] == "events"]
    runs.sort(key=lambda run: (run["until"], run["version"]))
    if not runs:
        return 0
    # What came shortly before a run may have been ingested before it: read from the run before.
    since = runs[-2]["version"] if len(runs) > 1 else None
    after = pa.scalar(runs[-1]["until"] - OVERLAP, pa.timestamp("us", "UTC"))
    found = 0
    for batch in lake.batches("events", since=since):
        is_late = pc.greater(batch.column("received_at"), after)
        kind = batch.column("event_type")
        is_ours = pc.or_(pc.starts_with(kind, "lead."), pc.starts_with(kind, "investor."))
        for row in batch.filter(pc.and_(is_late, is_ours)).to_pylist():
            event = event_of(row)
            leads.take(event)
            hear(event)
            found += 1
    return found
