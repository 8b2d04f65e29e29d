"""Events of leads to try the transforms on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from hki_ml.tables import EVENTS
from hki_ml.transforms.lead_state import Activity, lead_state
from hki_ml.transforms.leads import leads

START = datetime(2015, 1, 1, tzinfo=UTC)


def event(
    kind: str, lead: str, day: float, *, says: Mapping[str, Any] | None = None, late: float = 0.0
) -> dict[str, Any]:
    """Return an event that occurred ``day`` days after the start and was received ``late`` days on."""
    occurred = START + timedelta(days=day)
    return {
        "event_id": f"{kind} {lead} {day} {late}",
        "event_type": kind,
        "schema_version": 1,
        "entity_id": lead,
        "occurred_at": occurred,
        "received_at": occurred + timedelta(days=late),
        "source": "crm",
        "properties_json": json.dumps(dict(says or {})),
        "ingested_at": START,
    }


def table(events: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(each) for each in events], EVENTS)


def state_at(
    events: Sequence[Mapping[str, Any]], moments: Sequence[tuple[str, float]]
) -> list[dict[str, Any]]:
    """Return the state of leads at days after the start."""
    rows = table(events)
    known = leads(rows)
    asked = pa.table({
        "lead_id": pa.array([lead for lead, _ in moments], pa.string()),
        "event_timestamp": pa.array(
            [START + timedelta(days=day) for _, day in moments], pa.timestamp("us", "UTC")
        ),
    })  # fmt: skip
    activity = Activity.of(rows.to_batches(), known["lead_id"].combine_chunks())
    return lead_state(asked, known, activity).to_pylist()
