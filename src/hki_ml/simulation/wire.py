"""What happened as events: the columns of ``tables.EVENTS``, and the same as JSON for the bus."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from hki_ml.events import SCHEMA_VERSION
from hki_ml.identity import CONTENT_SEPARATOR, event_ids
from hki_ml.tables import EVENTS

CRM = "simulated-crm"
SCORING = "lead-scoring-export"
FRAME = (
    "event_id", "event_type", "entity_id", "occurred_at", "received_at", "source", "properties_json",
)  # fmt: skip
_MOMENT = "%Y-%m-%dT%H:%M:%S%.3fZ"
IntArray = NDArray[np.int64]


def frame(
    kind: str,
    entity: pl.Series,
    occurred_us: IntArray,
    received_us: IntArray,
    *,
    properties: pl.Series | str = "{}",
    source: str = CRM,
) -> pl.DataFrame:
    """Return events of one kind without their ids: one row each, columns of ``FRAME``."""
    rows = pl.DataFrame({
        "entity_id": entity,
        "occurred_at": _moments(occurred_us),
        "received_at": _moments(received_us),
    })  # fmt: skip
    said = pl.lit(properties)
    return rows.with_columns(
        event_type=pl.lit(kind), source=pl.lit(source), properties_json=said
    ).select(FRAME[1:])


def _moments(us: IntArray) -> pl.Series:
    """Return times of whole milliseconds, so that an id's time and a text say the same."""
    return pl.Series(us // 1000 * 1000).cast(pl.Datetime("us", "UTC"))


def identified(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the events with their ids, which hang on kind, source, entity, moment and deal."""
    content = rows.select(
        pl.concat_str(
            "event_type", "source", "entity_id",
            pl.col("occurred_at").dt.timestamp("ms"),
            pl.col("properties_json").str.extract('"dealId":"([^"]+)"').fill_null(""),
            separator=CONTENT_SEPARATOR,
        )
    ).to_series()  # fmt: skip
    at = rows["occurred_at"].dt.timestamp("ms").to_numpy()
    ids = event_ids(at, content.to_list())  # type: ignore[arg-type]
    return rows.select(pl.Series("event_id", ids, dtype=pl.String), *FRAME[1:])


def on_the_wire(rows: pl.DataFrame) -> pl.DataFrame:
    """Return ``event_id``, ``entity_id`` and ``event`` (one JSON object) of each event, in order."""
    event = pl.concat_str(
        pl.lit('{"eventType":"'), "event_type",
        pl.lit('","eventId":"'), "event_id",
        pl.lit('","entityId":"'), "entity_id",
        pl.lit('","occurredAt":"'), pl.col("occurred_at").dt.strftime(_MOMENT),
        pl.lit('","receivedAt":"'), pl.col("received_at").dt.strftime(_MOMENT),
        pl.lit('","source":"'), "source",
        pl.lit('","properties":'), "properties_json", pl.lit("}"),
    )  # fmt: skip
    return rows.select("event_id", "entity_id", event=event)


def as_table(rows: pl.DataFrame, *, ingested_at: datetime) -> pa.Table:
    """Return the events under ``tables.EVENTS``."""
    told = rows.with_columns(
        schema_version=pl.lit(SCHEMA_VERSION, pl.Int32), ingested_at=pl.lit(ingested_at)
    )
    return told.select(EVENTS.names).to_arrow().cast(EVENTS)


def said(**members: pl.Expr | pl.Series) -> pl.Expr:
    """Return JSON objects of members, each already JSON; a null one is left out."""
    parts = [
        pl.concat_str(pl.lit(f'"{name}":'), value, pl.lit(",")) for name, value in members.items()
    ]
    inside = pl.concat_str(parts, ignore_nulls=True).str.strip_suffix(",")
    return pl.concat_str(pl.lit("{"), inside, pl.lit("}"))


def number(values: NDArray[np.float64], *, digits: int = 2) -> pl.Series:
    """Return numbers as JSON; NaN is null."""
    rounded = pl.Series(np.asarray(values, np.float64)).round(digits).fill_nan(None)
    return rounded.cast(pl.String)


def word(values: pl.Series) -> pl.Series:
    """Return words as JSON; null stays null."""
    if values.str.contains(r'["\\\x00-\x1f]').any():
        return pl.Series([None if v is None else orjson.dumps(v).decode() for v in values])
    return '"' + values + '"'


def named(names: tuple[str, ...], place: NDArray[np.int64]) -> pl.Series:
    """Return the name at each place; -1 is null."""
    found = pl.Series(list(names)).gather(np.maximum(place, 0))
    return pl.select(pl.when(pl.Series(place >= 0)).then(found)).to_series()
