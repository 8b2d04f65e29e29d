"""What somebody tells us becomes an event: with its id, its times and every check of its kind."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from hki_ml.errors import EventRejected
from hki_ml.events import MAX_EVENT_BYTES, SCHEMA_VERSION, AnyEvent, decode
from hki_ml.identity import event_id

DEFAULT_SOURCE = "api"
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def new_event(
    told: Mapping[str, Any], *, received_at: datetime, latest: datetime | None = None
) -> AnyEvent:
    """Return the event that was told; told twice with the same moment and content it has one id.

    Parameters
    ----------
    told
        ``eventType``, ``entityId``, ``properties`` and perhaps ``source``, ``occurredAt`` (a moment or
        its ISO 8601 text with a zone; now, if it is not given) and ``schemaVersion``.
    received_at
        The present, aware.
    latest
        How late an event may say it occurred: between now and then it counts as now, for clocks differ.

    Raises
    ------
    EventRejected
        With the reasons of ``events.decode``, or ``occurred_in_future``.
    """
    moment = _moment(told.get("occurredAt"), received_at, latest or received_at)
    kind, entity, source = (
        told.get("eventType"), told.get("entityId"), told.get("source", DEFAULT_SOURCE),
    )  # fmt: skip
    if isinstance(entity, str) and CONTROL.search(entity):
        raise EventRejected("invalid_value", "expected entityId without control characters")
    properties = told.get("properties", {})
    content = msgspec.json.encode(properties, order="deterministic").decode()
    if len(content) > MAX_EVENT_BYTES:
        raise EventRejected(
            "too_large", f"expected at most {MAX_EVENT_BYTES} bytes, got {len(content)}"
        )
    identity = event_id(moment, str(kind), str(source), str(entity), moment.isoformat(), content)
    envelope = {
        "eventType": kind,
        "eventId": identity,
        "entityId": entity,
        "occurredAt": moment,
        "receivedAt": received_at,
        "source": source,
        "schemaVersion": told.get("schemaVersion", SCHEMA_VERSION),
        "properties": properties,
    }
    return decode(msgspec.json.encode(envelope))


def _moment(told: object, received_at: datetime, latest: datetime) -> datetime:
    if told is None:
        return received_at
    try:
        moment = told if isinstance(told, datetime) else datetime.fromisoformat(str(told))
    except ValueError as error:
        raise EventRejected(
            "invalid_value", f"expected occurredAt in ISO 8601, got {str(told)[:60]!r}"
        ) from error
    if moment.tzinfo is None:
        raise EventRejected("invalid_value", f"expected occurredAt with a zone, got {moment}")
    try:
        moment = moment.astimezone(UTC) if not isinstance(told, datetime) else moment
    except OverflowError as error:
        raise EventRejected("invalid_value", "expected occurredAt after the year 1") from error
    if moment > latest:
        raise EventRejected(
            "occurred_in_future", f"expected occurredAt at or before {latest}, got {moment}"
        )
    if moment < EARLIEST:
        raise EventRejected(
            "invalid_value", f"expected occurredAt at or after {EARLIEST}, got {moment}"
        )
    return min(moment, received_at) if latest > received_at else moment
