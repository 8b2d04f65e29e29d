"""Leads as of now: what the store says of them, and what has happened since, as it was accepted here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from hki_ml.events import AnyEvent
from hki_ml.ports import OnlineRow
from hki_ml.serving.entities import Entity, OnlineEntities
from hki_ml.serving.naming import plain
from hki_ml.transforms.live_lead import after, holds, in_order, latest

log = structlog.get_logger()

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
    """Reads leads from the store and applies the events that were accepted since.

    Parameters
    ----------
    stored
        What was materialized.
    most
        How many events are remembered: far more than come between two materializations.

    ``heard`` counts the events taken so far: whoever keeps something made of them sees by it that
    there are more.
    """

    def __init__(self, stored: OnlineEntities, *, most: int = 200_000) -> None:
        self.stored = stored
        self._lock = threading.Lock()
        self._most = most
        self._count = 0
        self.heard = 0
        self._seen_until: datetime | None = None
        self._events: dict[str, dict[UUID, AnyEvent]] = {}

    def take(self, event: AnyEvent) -> None:
        """Remember an event that was accepted; the same one twice counts once."""
        if not event.TYPE.startswith("lead."):
            return
        with self._lock:
            since = self._events.setdefault(event.entity_id, {})
            if event.event_id not in since:
                since[event.event_id] = event
                self._count += 1
                self.heard += 1
            if self._count > self._most:
                self._forget()

    def knows(self, lead_id: str) -> bool:
        """Tell whether events of the lead were accepted here lately."""
        return lead_id in self._events

    def accepted(self, lead_id: str) -> tuple[AnyEvent, ...]:
        """Return the events of the lead that were accepted here lately."""
        with self._lock:
            return tuple(self._events.get(lead_id, {}).values())

    def changed(self) -> tuple[str, ...]:
        """Return the leads of which events were accepted here lately."""
        with self._lock:
            return tuple(self._events)

    def lead(self, lead_id: str, stored: Entity | None) -> Lead | None:
        """Return the lead as of now, ``None`` if nobody ever created it."""
        seen_at = None if stored is None else stored.seen_at
        state: dict[str, Any] | None = None if stored is None else dict(stored.facts)
        applied = []
        since = self._since(lead_id, seen_at)
        # What is held already and comes later was sent again: the lake counts it once.
        fresh = [e for e in since if stored is None or not holds(stored.facts, e)]
        for event in latest(fresh):
            state = after(state, event)
            applied.append(str(event.event_id))
        if state is None:
            return None
        return Lead(state, seen_at, stored is not None and stored.is_stale, tuple(applied))

    def _since(self, lead_id: str, seen_at: datetime | None) -> list[AnyEvent]:
        with self._lock:
            kept = self._events.get(lead_id, {})
            if seen_at is not None:
                self._seen_until = max(seen_at, self._seen_until or seen_at)
            if seen_at is not None and kept:
                kept = {k: e for k, e in kept.items() if e.received_at > seen_at - OVERLAP}
                if kept:
                    self._events[lead_id] = kept
                else:
                    del self._events[lead_id]
            return in_order(kept.values())

    def _forget(self) -> None:
        """Drop what was materialized, of all leads; and the oldest, if that is not enough."""
        events = [event for of_lead in self._events.values() for event in of_lead.values()]
        if self._seen_until is not None:
            events = [e for e in events if e.received_at > self._seen_until - OVERLAP]
        events.sort(key=lambda event: event.received_at)
        if len(events) > self._most // 2:
            log.warning("live_events_forgotten", events=len(events) - self._most // 2)
            events = events[-(self._most // 2) :]
        self._events = {}
        for event in events:
            self._events.setdefault(event.entity_id, {})[event.event_id] = event
        self._count = len(events)
