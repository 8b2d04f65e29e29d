"""``POST /api/v1/events``: one event or up to a thousand, each accepted or refused with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from pydantic import Field

from hki_ml.arrival import DEFAULT_SOURCE, new_event
from hki_ml.errors import EventRejected
from hki_ml.events import SCHEMA_VERSION, AnyEvent, LeadCreated
from hki_ml.serving.asked import Closed, Identifier
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.live_leads import LiveLeads
from hki_ml.serving.problem import invalid
from hki_ml.serving.strict_json import read_object

MOST_EVENTS = 1_000
SKEW = timedelta(minutes=5)
OURS = ("prediction.", "outcome.")  # kinds that only this service makes


class EventBody(Closed):
    """An event as somebody tells it; its id and when it came are ours."""

    event_type: str
    entity_id: Identifier
    properties: dict[str, Any] = Field({}, description="as the kind of event has them")
    source: str = DEFAULT_SOURCE
    occurred_at: str | None = Field(None, description="ISO 8601 with a zone; default: now")
    schema_version: int = SCHEMA_VERSION


class EventsBody(EventBody):
    """One event, or nothing but ``events``: each is judged by itself."""

    events: list[EventBody] = Field([], max_length=MOST_EVENTS)


FIELDS = tuple(field.alias or name for name, field in EventBody.model_fields.items())


class KnownLeads(Protocol):
    """Tells which leads were ever created, as far as the lake and the bus know."""

    def unknown(self, lead_ids: Sequence[str]) -> set[str]:
        """Return those of the ids that nobody created."""
        ...


@dataclass(frozen=True, slots=True)
class EventDoor:
    """Takes events in; what it accepts is durable, what it refuses is told event by event.

    Parameters
    ----------
    publish
        Makes accepted events durable, all of them, or raises.
    leads
        Where accepted events of leads count at once.
    known
        Which leads there are.
    hear
        Told each accepted event.
    """

    publish: Callable[[list[AnyEvent]], None]
    leads: LiveLeads
    known: KnownLeads
    clock: Callable[[], datetime]
    hear: Callable[[AnyEvent], None] = lambda _: None

    async def __call__(self, request: Request) -> Response:
        """Answer one request.

        Raises
        ------
        ProblemError
            400 or 422 if the body is no event and no batch of them.
        Unavailable
            If the events could not be made durable: none of them counts then.
        """
        content = read_object(request.body)
        sent = batch_of(content)
        now = self.clock()
        read = [_read(each, now) for each in sent]
        accepted = [each for each in read if not isinstance(each, EventRejected)]
        strangers = await asyncio.to_thread(self._strangers, accepted)
        verdicts = [_judge(each, strangers) for each in read]
        taken = [each for each in verdicts if not isinstance(each, EventRejected)]
        if taken:
            await asyncio.to_thread(self.publish, taken)
        for event in taken:
            self.leads.take(event)
            self.hear(event)
        return success(
            {
                "accepted": len(taken),
                "refused": len(sent) - len(taken),
                "events": [_told(index, each) for index, each in enumerate(verdicts)],
            }
        )

    def _strangers(self, events: Sequence[AnyEvent]) -> set[str]:
        """Return the leads that events speak of, but that nobody created, not even in this batch."""
        created = {event.entity_id for event in events if isinstance(event, LeadCreated)}
        asked = {event.entity_id for event in events if event.TYPE.startswith("lead.")} - created
        rest = sorted(lead for lead in asked if not self.leads.knows(lead))
        return self.known.unknown(rest) if rest else set()


def batch_of(content: Mapping[str, Any]) -> list[Any]:
    """Return the events of a body: the body itself, or what stands under ``events``.

    Raises
    ------
    ProblemError
        422 if ``events`` is no list of 1 to 1,000, or if something stands beside it.
    """
    if "events" not in content:
        return [content]
    others = sorted(set(content) - {"events"})
    if others:
        raise invalid(f"/{others[0][:60]}", "expected nothing beside events")
    events = content["events"]
    if not isinstance(events, list) or not 1 <= len(events) <= MOST_EVENTS:
        got = len(events) if isinstance(events, list) else type(events).__name__
        raise invalid("/events", f"expected a list of 1 to {MOST_EVENTS} events, got {got}")
    return events


def _read(sent: Any, now: datetime) -> AnyEvent | EventRejected:
    try:
        if not isinstance(sent, dict):
            raise EventRejected("malformed", "expected an object")  # noqa: TRY301 - told like any other
        unknown = sorted(set(sent) - set(FIELDS))
        if unknown:
            known = ", ".join(FIELDS)
            raise EventRejected(  # noqa: TRY301
                "unknown_field", f"expected {known}, got {unknown[0][:60]!r}"
            )
        kind = sent.get("eventType")
        if isinstance(kind, str) and kind.startswith(OURS):
            raise EventRejected(  # noqa: TRY301
                "reserved_type",
                f"{kind[:60]} is made by the service itself: nothing learns from it",
            )
        return new_event(sent, received_at=now, latest=now + SKEW)
    except EventRejected as error:
        return error


def _judge(event: AnyEvent | EventRejected, strangers: set[str]) -> AnyEvent | EventRejected:
    if isinstance(event, EventRejected) or not event.TYPE.startswith("lead."):
        return event
    if event.entity_id not in strangers:
        return event
    return EventRejected(
        "unknown_lead", "expected a lead that a lead.created came before, or comes with it"
    )


def _told(index: int, verdict: AnyEvent | EventRejected) -> dict[str, Any]:
    if isinstance(verdict, EventRejected):
        detail = verdict.detail[:500]
        return {"index": index, "accepted": False, "reason": verdict.reason, "detail": detail}
    return {"index": index, "accepted": True, "eventId": str(verdict.event_id)}
