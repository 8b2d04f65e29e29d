"""A lead's state one event later: what the next materialization would say of its activity and its end.

What stands behind the activity (source quality, home, market) stays as it was last materialized.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from hki_ml.events import Event, LeadCreated
from hki_ml.learning.lead_clock import KINDS
from hki_ml.tables import LEAD_STATE
from hki_ml.transforms.lead_state import MOST_ACTIVITIES

E = TypeVar("E", bound=Event)
ENDS = {"lead.closed": "closed", "lead.lost": "lost"}


def after(state: Mapping[str, Any] | None, event: Event) -> dict[str, Any] | None:
    """Return the state after an event of the lead; ``None`` while the lead was never created.

    A second creation and a second end change nothing, as in the table of leads.

    Examples
    --------
    >>> after(None, object()) is None
    True
    """
    if isinstance(event, LeadCreated):
        return created(event) if state is None else dict(state)
    if state is None:
        return None
    later = dict(state)
    if event.TYPE in ENDS:
        later["lead_outcome"] = later["lead_outcome"] or ENDS[event.TYPE]
    elif event.TYPE in KINDS:
        kind, at = KINDS.index(event.TYPE), seconds(event.occurred_at)
        later["lead_moments_json"] = _with(later["lead_moments_json"], kind, at)
    return later


def in_order(events: Iterable[E]) -> list[E]:
    """Return events of a lead in the order in which they count: what first came of each kind first.

    A creation goes ahead of all: what came with it belongs to the lead, whenever it occurred.
    """
    return sorted(
        events,
        key=lambda event: (
            not isinstance(event, LeadCreated),
            event.received_at,
            event.occurred_at,
            event.event_id,
        ),
    )


def latest(events: Sequence[E]) -> list[E]:
    """Return events without the activities that are too old to be kept, in the same order."""
    active = [event for event in events if event.TYPE in KINDS]
    if len(active) <= MOST_ACTIVITIES:
        return list(events)
    active.sort(key=lambda event: (event.occurred_at, KINDS.index(event.TYPE)))
    dropped = {event.event_id for event in active[:-MOST_ACTIVITIES]}
    return [event for event in events if event.event_id not in dropped]


def holds(state: Mapping[str, Any], event: Event) -> bool:
    """Tell whether a state may have been made with this event already."""
    if event.TYPE in ENDS:
        return state["lead_outcome"] is not None
    if event.TYPE not in KINDS:
        return True
    stored = state["lead_moments_json"]
    kinds, times = json.loads(stored) if stored else ([], [])
    return (KINDS.index(event.TYPE), seconds(event.occurred_at)) in zip(kinds, times, strict=True)


def created(event: LeadCreated) -> dict[str, Any]:
    """Return the state of a lead that has just come: of its source, home and market nothing is known."""
    said = event.properties
    state: dict[str, Any] = {
        name: None
        for name in LEAD_STATE.names
        if name not in {"lead_id", "event_timestamp", "created"}
    }
    return state | {
        "lead_created_at_us": round(seconds(event.occurred_at) * 1e6),
        "lead_source": said.lead_source,
        "lead_property_id": said.property_id,
        "lead_asking_price_usd": said.asking_price_usd,
        "lead_facts_json": None if said.facts is None else json.dumps(said.facts),
    }


def _with(stored: object, kind: int, at: float) -> str:
    kinds, times = json.loads(stored) if isinstance(stored, str) and stored else ([], [])
    place = len(times)
    while place and (times[place - 1], kinds[place - 1]) > (at, kind):
        place -= 1
    kinds.insert(place, kind)
    times.insert(place, at)
    kept = [kinds[-MOST_ACTIVITIES:], times[-MOST_ACTIVITIES:]]
    return json.dumps(kept, separators=(",", ":"))


def seconds(moment: datetime) -> float:
    """Return seconds since 1970 (UTC)."""
    return moment.timestamp()
