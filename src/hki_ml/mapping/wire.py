"""Mapped rows as events on the wire: the same JSON that ``events.encode`` writes, a column at a time."""

from __future__ import annotations

import polars as pl

from hki_ml.identity import CONTENT_SEPARATOR, event_ids
from hki_ml.mapping.apply import SALE_KEY
from hki_ml.mapping.format import Mapping
from hki_ml.tables import EXTRA_PREFIX, FACT_CATEGORIES, FACT_NUMBERS

_ESCAPES = {'"': '\\"', "\\": "\\\\"} | {chr(i): f"\\u{i:04x}" for i in range(32)}
_ESCAPES |= {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_NEEDS_ESCAPE = r'["\\\x00-\x1f]'


def to_events(rows: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    """Return ``event_id``, ``entity_id`` and ``event`` (JSON) of each row.

    An event's id comes from its kind, source and sale key (without one: home, day and price), so that a
    file that is read again gives the same events. It counts as received when it occurred: what a public
    register lists was public then, and a backtest may know it; ``ingested_at`` says when it came to us.
    """
    identified = rows.with_columns(
        event_id=pl.Series(_ids(rows, mapping), dtype=pl.String),
        entity_id=escaped(rows["property_id"]),
        _at=rows["occurred_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    event = _envelope(identified, mapping)
    return identified.select("event_id", pl.col("property_id").alias("entity_id"), event=event)


def _envelope(rows: pl.DataFrame, mapping: Mapping) -> pl.Expr:
    return pl.concat_str(
        pl.lit('{"eventType":"' + mapping.event + '","eventId":"'),
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


def _ids(rows: pl.DataFrame, mapping: Mapping) -> list[str]:
    own = [pl.col("property_id"), pl.col("occurred_at").dt.strftime("%Y-%m-%d")]
    if "price_usd" in rows.columns:
        own.append(pl.col("price_usd").cast(pl.String))
    else:  # facts without a price: other facts are another event
        own.append(pl.concat_str(_members(rows, mapping), ignore_nulls=True))
    key = pl.coalesce(SALE_KEY, pl.concat_str(own, separator=CONTENT_SEPARATOR))
    prefix = pl.lit(f"{mapping.event}{CONTENT_SEPARATOR}{mapping.source}{CONTENT_SEPARATOR}")
    keyed = rows.select(
        at=pl.col("occurred_at").dt.timestamp("ms"), content=pl.concat_str(prefix, key)
    )
    return event_ids(keyed["at"].to_numpy(), keyed["content"].to_list())  # type: ignore[arg-type]


def _properties(rows: pl.DataFrame, mapping: Mapping) -> pl.Expr:
    facts = object_of(_members(rows, mapping))
    if mapping.event == "property.recorded":
        return pl.concat_str(pl.lit('{"facts":'), facts, pl.lit("}"))
    price = pl.col("price_usd").cast(pl.String)
    if mapping.event == "listing.published":
        return pl.concat_str(pl.lit('{"listPriceUsd":'), price, pl.lit("}"))
    return pl.concat_str(pl.lit('{"priceUsd":'), price, pl.lit(',"facts":'), facts, pl.lit("}"))


def _members(rows: pl.DataFrame, mapping: Mapping) -> list[pl.Expr]:
    members = [text_member(_camel(name), rows[name]) for name in FACT_CATEGORIES]
    members += [number_member(_camel(name), name) for name in FACT_NUMBERS if name in mapping.facts]
    extra = [
        number_member(name, EXTRA_PREFIX + name)
        if mapping.is_number(EXTRA_PREFIX + name)
        else text_member(name, rows[EXTRA_PREFIX + name])
        for name in mapping.extra
    ]
    if extra:
        any_extra = pl.any_horizontal(
            pl.col(EXTRA_PREFIX + name).is_not_null() for name in mapping.extra
        )
        members.append(
            pl.when(any_extra).then(
                pl.concat_str(pl.lit('"extra":'), object_of(extra), pl.lit(","))
            )
        )
    return members


def object_of(members: list[pl.Expr]) -> pl.Expr:
    """Return a JSON object of members that end in a comma each; what is null is left out."""
    if not members:
        return pl.lit("{}")
    inside = pl.concat_str(members, ignore_nulls=True).str.strip_suffix(",")
    return pl.concat_str(pl.lit("{"), inside, pl.lit("}"))


def number_member(wire_name: str, column: str) -> pl.Expr:
    """Return ``"name":number,`` of a column, null where it is null."""
    if column == "is_waterfront":
        value = pl.when(pl.col(column) > 0).then(pl.lit("true")).otherwise(pl.lit("false"))
        return pl.when(pl.col(column).is_not_null()).then(
            pl.concat_str(pl.lit(f'"{wire_name}":'), value, pl.lit(","))
        )
    return pl.concat_str(pl.lit(f'"{wire_name}":'), pl.col(column).cast(pl.String), pl.lit(","))


def text_member(wire_name: str, values: pl.Series) -> pl.Expr:
    """Return ``"name":"text",`` of the values, null where they are null."""
    return pl.concat_str(pl.lit(f'"{wire_name}":"'), pl.lit(escaped(values)), pl.lit('",'))


def escaped(values: pl.Series) -> pl.Series:
    """Return texts as they stand between the quotes of JSON."""
    if not values.str.contains(_NEEDS_ESCAPE).any():
        return values
    return values.str.replace_many(list(_ESCAPES), list(_ESCAPES.values()))


def quoted(text: str) -> str:
    """Return a text as JSON writes it."""
    return f'"{escaped(pl.Series([text]))[0]}"'


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
