"""Records of the bus become rows of the table of events; what is no event is told apart with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import orjson
import pyarrow as pa

from hki_ml.errors import EventRejected
from hki_ml.events import SCHEMA_VERSION, AnyEvent, decode, encode
from hki_ml.identity import uuid_texts
from hki_ml.tables import EVENTS, TIME


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that is no event of ours: where it stood, and why."""

    offset: int
    reason: str
    detail: str
    raw: bytes


def tell_apart(records: Sequence[bytes], first_offset: int) -> tuple[list[bytes], list[Refused]]:
    """Return the records that are events, each checked in full, and the others with their reason."""
    events, refused = [], []
    for offset, raw in enumerate(records, first_offset):
        try:
            decode(raw)
        except EventRejected as error:
            refused.append(Refused(offset, error.reason, error.detail, raw))
        else:
            events.append(raw)
    return events, refused


class _Envelope(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """An event that was checked already: its text as it stands, its properties unopened."""

    event_type: str
    event_id: str
    entity_id: str
    occurred_at: str
    received_at: str
    source: str
    properties: msgspec.Raw
    schema_version: int = SCHEMA_VERSION


_opener = msgspec.json.Decoder(_Envelope)


def event_rows(events: Sequence[bytes], *, ingested_at: datetime) -> pa.Table:
    """Return one row of ``tables.EVENTS`` an event, in order.

    Parameters
    ----------
    events
        Records that ``tell_apart`` found to be events.
    """
    try:
        return _rows([_opener.decode(raw) for raw in events], ingested_at)
    except pa.ArrowInvalid:
        # What msgspec reads, Arrow may write otherwise (a lower-case "z"): our own form suits both.
        own = [_opener.decode(encode(decode(raw))) for raw in events]
        return _rows(own, ingested_at)


def _rows(opened: list[_Envelope], ingested_at: datetime) -> pa.Table:
    ids = bytes.fromhex("".join([each.event_id for each in opened]).replace("-", ""))
    properties = pa.array([bytes(each.properties) for each in opened], pa.binary())
    at = pa.repeat(pa.scalar(ingested_at, TIME), len(opened))
    return pa.table(
        [
            pa.array(uuid_texts(ids), pa.string()),
            pa.array([each.event_type for each in opened], pa.string()),
            pa.array([each.schema_version for each in opened], pa.int32()),
            pa.array([each.entity_id for each in opened], pa.string()),
            pa.array([each.occurred_at for each in opened], pa.string()).cast(TIME),
            pa.array([each.received_at for each in opened], pa.string()).cast(TIME),
            pa.array([each.source for each in opened], pa.string()),
            properties.cast(pa.string()),
            at,
        ],
        schema=EVENTS,
    )


def event_of(row: Mapping[str, Any]) -> AnyEvent:
    """Return the event that a row of the lake's events holds."""
    envelope = {
        "eventType": row["event_type"],
        "eventId": row["event_id"],
        "entityId": row["entity_id"],
        "occurredAt": row["occurred_at"],
        "receivedAt": row["received_at"],
        "source": row["source"],
        "schemaVersion": row["schema_version"],
        "properties": orjson.Fragment(row["properties_json"]),
    }
    return decode(orjson.dumps(envelope))
