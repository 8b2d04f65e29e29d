"""Lead events become the table of leads: how each came, came under contract, and first ended."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from hki_ml.tables import LEADS

KINDS = ("lead.created", "lead.closed", "lead.lost", "lead.contract_signed")


def leads(events: pa.Table) -> pa.Table:
    """Return one row a lead, ordered by when it was known and by id.

    Of several ``lead.created`` of one lead the first that was received counts, and so does the first
    end and the first contract: what comes later changes nothing of what was known before. A lead that
    was never created is no lead.

    Parameters
    ----------
    events
        Columns of ``tables.EVENTS``, in any order; other kinds are left out.
    """
    structure = (
        '{"leadSource":"VARCHAR","propertyId":"VARCHAR","askingPriceUsd":"DOUBLE","facts":"JSON"}'
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("events", events)
        rows = connection.execute(
            """
            WITH created AS (
                SELECT entity_id AS lead_id, occurred_at AS created_at, received_at AS created_known_at,
                    source, from_json(properties_json, ?) AS said
                FROM events WHERE event_type = 'lead.created'
                QUALIFY row_number() OVER (PARTITION BY entity_id
                    ORDER BY received_at, occurred_at, event_id) = 1
            ), ended AS (
                SELECT entity_id AS lead_id, occurred_at AS ended_at, received_at AS ended_known_at,
                    split_part(event_type, '.', 2) AS outcome, source AS outcome_source
                FROM events WHERE event_type IN ('lead.closed', 'lead.lost')
                QUALIFY row_number() OVER (PARTITION BY entity_id
                    ORDER BY received_at, occurred_at, event_id) = 1
            ), signed AS (
                SELECT entity_id AS lead_id, occurred_at AS contract_at,
                    received_at AS contract_known_at
                FROM events WHERE event_type = 'lead.contract_signed'
                QUALIFY row_number() OVER (PARTITION BY entity_id
                    ORDER BY received_at, occurred_at, event_id) = 1
            )
            SELECT created.lead_id, created_at, created_known_at, said."leadSource" AS lead_source,
                said."propertyId" AS property_id, said."askingPriceUsd" AS asking_price_usd,
                CAST(said."facts" AS VARCHAR) AS facts_json, source, outcome, ended_at,
                ended_known_at, outcome_source, contract_at, contract_known_at
            FROM created LEFT JOIN ended USING (lead_id) LEFT JOIN signed USING (lead_id)
            ORDER BY created_known_at, lead_id
            """,
            [structure],
        ).to_arrow_table()
    return rows.cast(LEADS)
