"""What was known of each home, and from when on: one row a change, for joins as of a moment."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from hki_ml.tables import FACTS, PROPERTY_FACTS
from hki_ml.transforms.sales import fact_columns, fact_structure

KINDS = ("sale.recorded", "property.recorded", "property.facts_changed")


def property_facts(events: pa.Table) -> pa.Table:
    """Return the facts of each home after each event that changed them, sorted by home and time.

    ``event_timestamp`` is when the facts held, ``created`` when the last event behind them reached our
    lake. A fact that an event does not name keeps its value; an event that changes nothing gives no row,
    and of several at the same moment the one received last. The further facts in ``extra_json`` are
    replaced as a whole.

    Parameters
    ----------
    events
        Columns of ``tables.EVENTS``, in any order.
    """
    kept = (*FACTS, "extra_json")
    carried = ", ".join(f"last_value({name} IGNORE NULLS) OVER known AS {name}" for name in kept)
    changed = " OR ".join(f"{name} IS DISTINCT FROM lag({name}) OVER home" for name in kept)
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("events", events)
        rows = connection.execute(
            f"""
            WITH parsed AS (
                SELECT event_id, entity_id AS property_id, occurred_at, received_at, ingested_at,
                    from_json(properties_json, ?)."facts" AS facts
                FROM events WHERE event_type IN ({kinds})
            ), flat AS (
                SELECT property_id, occurred_at, received_at, ingested_at, event_id,
                    {fact_columns("facts")} FROM parsed
            ), carried AS (
                SELECT property_id, occurred_at AS event_timestamp, event_id,
                    max(ingested_at) OVER known AS created, {carried}
                FROM flat
                WINDOW known AS (PARTITION BY property_id ORDER BY occurred_at, received_at, event_id
                    ROWS UNBOUNDED PRECEDING)
                QUALIFY row_number() OVER (PARTITION BY property_id, occurred_at
                    ORDER BY received_at DESC, event_id DESC) = 1
            ), marked AS (
                SELECT *, ({changed}) OR row_number() OVER home = 1 AS is_change FROM carried
                WINDOW home AS (PARTITION BY property_id ORDER BY event_timestamp)
            )
            SELECT property_id, event_timestamp, created, {", ".join(kept)}
            FROM marked WHERE is_change ORDER BY property_id, event_timestamp
            """,  # noqa: S608 - the names are constants of ours
            ['{"facts":' + fact_structure() + "}"],
        ).to_arrow_table()
    return rows.cast(PROPERTY_FACTS)
