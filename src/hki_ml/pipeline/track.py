"""The one way in: whatever happens becomes an event on the bus here, one or a file's rows at once."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from hki_ml.arrival import new_event
from hki_ml.events import AnyEvent, encode
from hki_ml.pipeline.known_ids import KnownIds, from_texts
from hki_ml.ports import EventBus

if TYPE_CHECKING:
    import polars as pl

    from hki_ml.mapping.loading import AnyMapping as AnyRows


@dataclass(frozen=True, slots=True)
class Tracker:
    """Puts events on a bus.

    Parameters
    ----------
    bus
        Where events travel.
    received_at
        The present, aware: a door builds a tracker for each request or file.
    """

    bus: EventBus
    received_at: datetime

    def track_event(
        self,
        event_type: str,
        entity_id: str,
        properties: AnyMapping[str, Any],
        *,
        source: str,
        occurred_at: datetime | None = None,
    ) -> UUID:
        """Return the id of the event, which is now durable; the same event twice has the same id.

        Parameters
        ----------
        properties
            Under their wire names, e.g. ``{"priceUsd": 500000.0, "facts": {"livingSqft": 1200}}``.
        occurred_at
            Aware; now, if it is not given.

        Raises
        ------
        EventRejected
            If the event is of no known kind or holds an impossible value.
        Unavailable
            If it could not be made durable.
        """
        told = {
            "eventType": event_type,
            "entityId": entity_id,
            "properties": properties,
            "source": source,
            "occurredAt": occurred_at,
        }
        event = new_event(told, received_at=self.received_at)
        self.track_events([event])
        return event.event_id

    def track_events(self, events: Sequence[AnyEvent]) -> int:
        """Return how many events are now durable: all of them, or it raises.

        Raises
        ------
        Unavailable
            If they could not be made durable.
        """
        return self.bus.publish([(event.entity_id, encode(event)) for event in events])

    def track_rows(self, rows: pl.DataFrame, mapping: AnyRows, *, known: KnownIds) -> int:
        """Return how many mapped rows had something new, all of which is durable now.

        Parameters
        ----------
        known
            Ids that need not travel again; those of the rows are added once they are durable.
        """
        from hki_ml.mapping.loading import events_of

        return self.track_frame(events_of(rows, mapping), known=known)["row_number"].n_unique()

    def track_frame(self, events: pl.DataFrame, *, known: KnownIds) -> pl.DataFrame:
        """Return which events, written elsewhere, were new; they are durable, and the ingest checks each.

        Parameters
        ----------
        events
            At least ``event_id``, ``entity_id`` and ``event`` (one JSON object) of each, in order.
        known
            Ids that need not travel again; those of the events are added once they are durable.
        """
        import polars as pl

        ids = from_texts(events["event_id"].to_list())
        is_new = known.new(ids)
        if not is_new.all():
            events, ids = events.filter(pl.Series(is_new)), ids[is_new]
        if not events.height:
            return events
        keys = events["entity_id"].to_list()
        texts = events["event"].cast(pl.Binary).to_list()
        self.bus.publish(zip(keys, texts, strict=True))
        known.add(ids)
        return events
