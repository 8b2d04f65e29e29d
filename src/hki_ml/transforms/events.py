"""Records of the bus become rows of the table of events; what is no event is told apart with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from hki_ml.errors import EventRejected
from hki_ml.events import SCHEMA_VERSION, decode, encode
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


_ENVELOPE = (
    '{"eventId":"VARCHAR","eventType":"VARCHAR","schemaVersion":"INTEGER","entityId":"VARCHAR",'
    '"occurredAt":"VARCHAR","receivedAt":"VARCHAR","source":"VARCHAR","properties":"JSON"}'
)
_COLUMNS = f"""
    SELECT TRY_CAST(TRY_CAST(e."eventId" AS UUID) AS VARCHAR) AS event_id,
        e."eventType" AS event_type,
        coalesce(e."schemaVersion", {SCHEMA_VERSION}) AS schema_version,
        e."entityId" AS entity_id,
        TRY_CAST(e."occurredAt" AS TIMESTAMPTZ) AS occurred_at,
        TRY_CAST(e."receivedAt" AS TIMESTAMPTZ) AS received_at,
        e."source" AS source,
        CAST(e."properties" AS VARCHAR) AS properties_json
    FROM (SELECT from_json(raw, ?) AS e FROM records)
"""  # noqa: S608 - only our own constants


def event_rows(events: Sequence[bytes], *, ingested_at: datetime) -> pa.Table:
    """Return one row of ``tables.EVENTS`` an event, in order.

    Parameters
    ----------
    events
        Records that ``tell_apart`` found to be events.
    """
    rows = _columns(events)
    if any(rows[name].null_count for name in ("event_id", "occurred_at", "received_at")):
        # What msgspec reads, DuckDB may write otherwise (a lower-case "z"): our own form suits both.
        rows = _columns([encode(decode(raw)) for raw in events])
    at = pa.array([ingested_at], TIME).take(pa.array([0] * rows.num_rows, pa.int64()))
    return rows.append_column("ingested_at", at).cast(EVENTS)


def _columns(events: Sequence[bytes]) -> pa.Table:
    records = pa.table({"raw": pa.array(events, pa.binary()).cast(pa.string())})
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("records", records)
        return connection.execute(_COLUMNS, [_ENVELOPE]).to_arrow_table()
