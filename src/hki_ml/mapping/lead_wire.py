"""Rows of leads as events on the wire, a column at a time."""

from __future__ import annotations

import polars as pl

from hki_ml.events import LeadCreated
from hki_ml.identity import CONTENT_SEPARATOR, event_ids
from hki_ml.mapping.lead_rows import EVENT_KEY, EVENT_TYPE
from hki_ml.mapping.leads import FACT, LeadMapping
from hki_ml.mapping.wire import escaped, number_member, object_of, quoted, text_member


def lead_events(rows: pl.DataFrame, mapping: LeadMapping) -> pl.DataFrame:
    """Return ``row_number``, ``event_id``, ``entity_id`` and ``event`` (JSON) of each row of ``apply_leads``.

    An event's id comes from its kind, source, lead, moment and key, so that a file that is read again
    gives the same events. It counts as received when it occurred, as a backtest has to see it.
    """
    identified = rows.with_columns(
        event_id=pl.Series(_ids(rows, mapping), dtype=pl.String),
        entity_id=escaped(rows["lead_id"]),
        _at=rows["occurred_at"].dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"),
    )
    event = pl.concat_str(
        pl.lit('{"eventType":"'),
        pl.col(EVENT_TYPE),
        pl.lit('","eventId":"'),
        pl.col("event_id"),
        pl.lit('","entityId":"'),
        pl.col("entity_id"),
        pl.lit('","occurredAt":"'),
        pl.col("_at"),
        pl.lit('","receivedAt":"'),
        pl.col("_at"),
        pl.lit('","source":' + quoted(mapping.source) + ',"properties":'),
        _properties(rows, mapping),
        pl.lit("}"),
    )
    return identified.select(
        "row_number", "event_id", pl.col("lead_id").alias("entity_id"), event=event
    )


def _ids(rows: pl.DataFrame, mapping: LeadMapping) -> list[str]:
    moment = pl.col("occurred_at").dt.timestamp("us").cast(pl.String)
    parts = [pl.col(EVENT_TYPE), pl.lit(mapping.source), pl.col("lead_id"), moment]
    content = pl.concat_str(*parts, pl.col(EVENT_KEY).fill_null(""), separator=CONTENT_SEPARATOR)
    keyed = rows.select(at=pl.col("occurred_at").dt.timestamp("ms"), content=content)
    return event_ids(keyed["at"].to_numpy(), keyed["content"].to_list())  # type: ignore[arg-type]


def _properties(rows: pl.DataFrame, mapping: LeadMapping) -> pl.Expr:
    members = [text_member("leadSource", rows["lead_source"])]
    members.append(text_member("propertyId", rows["property_id"]))
    if "asking_price_usd" in rows.columns:
        members.append(number_member("askingPriceUsd", "asking_price_usd"))
    facts = [
        text_member(name, rows[FACT + name])
        if rows.schema[FACT + name] == pl.String
        else number_member(name, FACT + name)
        for name in mapping.facts
    ]
    if facts:
        is_any = pl.any_horizontal(pl.col(FACT + name).is_not_null() for name in mapping.facts)
        together = pl.concat_str(pl.lit('"facts":'), object_of(facts), pl.lit(","))
        members.append(pl.when(is_any).then(together))
    created = object_of(members)
    return pl.when(pl.col(EVENT_TYPE) == LeadCreated.TYPE).then(created).otherwise(pl.lit("{}"))
