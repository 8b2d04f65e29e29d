"""Lien events become the table of liens, and what was known of them for a lead at a moment."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from hki_ml.tables import LIENS

KINDS = ("lien.recorded",)
COLUMNS = ("property_liens_count", "property_liens_usd", "property_liens_json")


def liens(events: pa.Table) -> pa.Table:
    """Return one row a lien, ordered by when it was known and by id.

    Parameters
    ----------
    events
        Columns of ``tables.EVENTS``, in any order; other kinds are left out.
    """
    structure = '{"kind":"VARCHAR","amountUsd":"DOUBLE","leadId":"VARCHAR"}'
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("events", events)
        rows = connection.execute(
            """
            WITH parsed AS (
                SELECT *, from_json(properties_json, ?) AS said
                FROM events WHERE event_type = 'lien.recorded'
                QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY received_at) = 1
            )
            SELECT event_id AS lien_id, entity_id AS property_id, said."leadId" AS lead_id,
                said."kind" AS kind, said."amountUsd" AS amount_usd, occurred_at AS recorded_at,
                received_at AS known_at
            FROM parsed ORDER BY known_at, lien_id
            """,
            [structure],
        ).to_arrow_table()
    return rows.cast(LIENS)


def with_liens(connection: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return ``row`` and ``COLUMNS`` of each row of the view ``state`` about which a lien was known.

    Pure in the moment: a lien counts from when it was received. One that was found for another lead of
    the same home does not count.
    """
    return connection.execute(
        """
        WITH known AS (
            SELECT state.row, liens.* FROM state JOIN liens
                ON state.lead_property_id = liens.property_id
                AND liens.known_at <= state.event_timestamp
                AND coalesce(liens.lead_id = state.lead_id, true)
        )
        SELECT row, CAST(count(*) AS DOUBLE) AS property_liens_count,
            coalesce(sum(amount_usd ORDER BY recorded_at, lien_id), 0.0) AS property_liens_usd,
            CAST(to_json(list({'kind': kind, 'amount_usd': amount_usd,
                'recorded_at': epoch_us(recorded_at) / 1e6, 'event_id': lien_id}
                ORDER BY recorded_at, lien_id)) AS VARCHAR) AS property_liens_json
        FROM known GROUP BY row ORDER BY row
        """
    ).to_arrow_table()
