"""Sale events become the table of sales."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from hki_ml.tables import FACT_CATEGORIES, FACT_NUMBERS, SALES


def wire_name(column: str) -> str:
    """Return the camelCase name that a column has on the wire.

    Examples
    --------
    >>> wire_name("living_sqft")
    'livingSqft'
    """
    head, *tail = column.split("_")
    return head + "".join(part.capitalize() for part in tail)


def fact_structure() -> str:
    """Return the JSON structure of the facts for DuckDB's ``from_json``."""
    members = [f'"{wire_name(name)}":"VARCHAR"' for name in FACT_CATEGORIES]
    members += [
        f'"{wire_name(name)}":"{"BOOLEAN" if name == "is_waterfront" else "DOUBLE"}"'
        for name in FACT_NUMBERS
    ]
    return "{" + ",".join([*members, '"extra":"JSON"']) + "}"


def fact_columns(facts: str) -> str:
    """Return the SQL of the fact columns of a struct of that name, the extra ones as JSON text."""
    wired = [f'CAST({facts}."{wire_name(n)}" AS VARCHAR) AS {n}' for n in FACT_CATEGORIES]
    wired += [f'CAST({facts}."{wire_name(n)}" AS DOUBLE) AS {n}' for n in FACT_NUMBERS]
    return ", ".join([*wired, f'CAST({facts}."extra" AS VARCHAR) AS extra_json'])


def sales(events: pa.Table) -> pa.Table:
    """Return one row a ``sale.recorded`` event, in the order of the events.

    Parameters
    ----------
    events
        Columns of ``tables.EVENTS``; other kinds are left out.
    """
    structure = '{"priceUsd":"DOUBLE","isArmsLength":"BOOLEAN","facts":' + fact_structure() + "}"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("events", events)
        rows = connection.execute(
            f"""
            WITH parsed AS (
                SELECT *, from_json(properties_json, ?) AS p
                FROM events WHERE event_type = 'sale.recorded'
            )
            SELECT event_id AS sale_id, entity_id AS property_id, occurred_at AS sold_at,
                received_at AS known_at, p."priceUsd" AS price_usd,
                coalesce(p."isArmsLength", true) AS is_arms_length, source,
                {fact_columns('p."facts"')}
            FROM parsed
            """,  # noqa: S608 - the names are constants of ours
            [structure],
        ).to_arrow_table()
    return rows.cast(SALES)
