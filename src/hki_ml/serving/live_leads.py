"""Leads as of now: what the store says of them, and what has happened since, as it was accepted here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hki_ml.events import AnyEvent
from hki_ml.ports import OnlineRow
from hki_ml.serving.entities import Entity, OnlineEntities
from hki_ml.serving.naming import plain
from hki_ml.transforms.live_lead import after, holds

SERVICE = "lead_scoring"
FRESH_SECONDS = 10.0
# An event that was received this shortly before the materialization may not be in it.
OVERLAP = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Lead:
    """A lead's state now, since when the store's part of it stands, and which events came on top."""

    state: Mapping[str, Any]
    seen_at: datetime | None
    is_stale: bool
    live_events: tuple[str, ...]


def state_of(row: OnlineRow) -> dict[str, Any]:
    """Return the state in a stored row; a missing number is ``None``."""
    return {name: plain(value) for name, value in row.values.items()}


class LiveLeads:
    """Reads leads from the store and applies the events that were accepted since."""

    def __init__(self, stored: OnlineEntities) -> None:
        self.stored = stored
        self._lock = threading.Lock()
        self._events: dict[str, list[AnyEvent]] = {}

    def take(self, event: AnyEvent) -> None:
        """Remember an event that was accepted; the same one twice counts once."""
        if not event.TYPE.startswith("lead."):
            return
        with self._lock:
            since = self._events.setdefault(event.entity_id, [])
            if all(known.event_id != event.event_id for known in since):
                since.append(event)

    def knows(self, lead_id: str) -> bool:
        """Tell whether events of the lead were accepted here lately."""
        return lead_id in self._events

    def accepted(self, lead_id: str) -> tuple[AnyEvent, ...]:
        """Return the events of the lead that were accepted here lately."""
        with self._lock:
            return tuple(self._events.get(lead_id, ()))

    def lead(self, lead_id: str, stored: Entity | None) -> Lead | None:
        """Return the lead as of now, ``None`` if nobody ever created it."""
        seen_at = None if stored is None else stored.seen_at
        state: dict[str, Any] | None = None if stored is None else dict(stored.facts)
        applied = []
        for event in self._since(lead_id, seen_at):
            is_old = seen_at is not None and event.received_at <= seen_at
            if is_old and stored is not None and holds(stored.facts, event):
                continue
            state = after(state, event)
            applied.append(str(event.event_id))
        if state is None:
            return None
        return Lead(state, seen_at, stored is not None and stored.is_stale, tuple(applied))

    def _since(self, lead_id: str, seen_at: datetime | None) -> list[AnyEvent]:
        with self._lock:
            kept = self._events.get(lead_id, [])
            if seen_at is not None and kept:
                kept = [event for event in kept if event.received_at > seen_at - OVERLAP]
                if kept:
                    self._events[lead_id] = kept
                else:
                    del self._events[lead_id]
            return sorted(kept, key=lambda event: (event.received_at, event.occurred_at))
