"""Deal events become the tables of deals and of offers: each fact as known when it was first shown."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from hki_ml.tables import DEAL_OFFERS, DEALS

KINDS = ("deal.offered", "deal.responded", "deal.bought")
INVESTOR_KINDS = ("investor.registered", "investor.criteria_set", "investor.deleted")

_SAID = (
    '{"dealId":"VARCHAR","propertyId":"VARCHAR","leadId":"VARCHAR","priceUsd":"DOUBLE",'
    '"response":"VARCHAR"}'
)
_LEAD = '{"condition":"VARCHAR","occupancy":"VARCHAR","asking_to_estimate":"DOUBLE"}'


def deals(
    events: pa.Table, leads: pa.Table, property_facts: pa.Table, property_value: pa.Table
) -> pa.Table:
    """Return one row a deal, ordered by when it was known and by id.

    The first ``deal.offered`` that was received counts; home, worth and lead are as known at that
    moment, so that what comes later changes no row.

    Parameters
    ----------
    events
        Columns of ``tables.EVENTS``, in any order; other kinds are left out.
    leads, property_facts, property_value
        The tables of these names; each may be empty.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("events", events)
        connection.register("leads", leads)
        connection.register("facts", property_facts)
        connection.register("worth", property_value)
        rows = connection.execute(
            """
            WITH offered AS (
                SELECT occurred_at AS shown_at, received_at AS known_at, event_id,
                    from_json(properties_json, ?) AS said
                FROM events WHERE event_type = 'deal.offered'
            ), first AS (
                SELECT said."dealId" AS deal_id, shown_at, known_at, said."propertyId" AS property_id,
                    said."leadId" AS lead_id, said."priceUsd" AS price_usd
                FROM offered
                QUALIFY row_number() OVER (PARTITION BY said."dealId"
                    ORDER BY known_at, shown_at, event_id) = 1
            ), of_lead AS (
                SELECT first.*, from_json(leads.facts_json, ?) AS told, leads.asking_price_usd
                FROM first LEFT JOIN leads ON first.lead_id = leads.lead_id
                    AND leads.created_known_at <= first.known_at
            ), homes AS (
                SELECT of_lead.*, facts.area, facts.property_type, facts.latitude, facts.longitude,
                    facts.living_sqft, facts.bedrooms, facts.bathrooms, facts.year_built
                FROM of_lead ASOF LEFT JOIN facts ON of_lead.property_id = facts.property_id
                    AND of_lead.known_at >= facts.event_timestamp
            )
            SELECT homes.*, worth.property_value_estimate AS value_usd, told."condition" AS condition,
                told."occupancy" AS occupancy, told."asking_to_estimate" AS asking_to_estimate
            FROM homes ASOF LEFT JOIN worth ON homes.property_id = worth.property_id
                AND homes.known_at >= worth.event_timestamp
            ORDER BY known_at, deal_id
            """,
            [_SAID, _LEAD],
        ).to_arrow_table()
    return rows.select(DEALS.names).cast(DEALS)


def deal_offers(events: pa.Table) -> pa.Table:
    """Return one row a deal and investor it was shown to, ordered by when it was known.

    Of several answers the first that was received counts, and beside it the first positive one
    (asked, toured, offered). An answer to what was never shown is left out, and one that was received
    before its offer counts from when the offer was.

    Parameters
    ----------
    events
        Columns of ``tables.EVENTS``, in any order; other kinds are left out.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("events", events)
        rows = connection.execute(
            f"""
            WITH parsed AS (
                SELECT event_type, entity_id AS investor_id, occurred_at, received_at, event_id,
                    from_json(properties_json, ?) AS said
                FROM events WHERE event_type IN ('deal.offered', 'deal.responded', 'deal.bought')
            ), told AS (
                SELECT event_type, investor_id, said."dealId" AS deal_id, said."response" AS response,
                    occurred_at, received_at, event_id, event_type = 'deal.responded'
                        AND said."response" <> 'declined' AS is_positive
                FROM parsed
            ), shown AS (
                SELECT * FROM told WHERE event_type = 'deal.offered'
                QUALIFY row_number() OVER (PARTITION BY deal_id, investor_id
                    ORDER BY received_at, occurred_at, event_id) = 1
            ), answered AS (
                SELECT * FROM told WHERE event_type = 'deal.responded'
                QUALIFY row_number() OVER (PARTITION BY deal_id, investor_id
                    ORDER BY received_at, occurred_at, event_id) = 1
            ), positive AS (
                SELECT * FROM told WHERE is_positive
                QUALIFY row_number() OVER (PARTITION BY deal_id, investor_id
                    ORDER BY received_at, occurred_at, event_id) = 1
            ), bought AS (
                SELECT * FROM told WHERE event_type = 'deal.bought'
                QUALIFY row_number() OVER (PARTITION BY deal_id, investor_id
                    ORDER BY received_at, occurred_at, event_id) = 1
            )
            SELECT shown.deal_id, shown.investor_id, shown.occurred_at AS shown_at,
                shown.received_at AS shown_known_at, answered.response,
                answered.occurred_at AS responded_at,
                    {_known("answered")} AS responded_known_at,
                positive.occurred_at AS positive_at,
                    {_known("positive")} AS positive_known_at,
                bought.occurred_at AS bought_at,
                    {_known("bought")} AS bought_known_at
            FROM shown
            LEFT JOIN answered USING (deal_id, investor_id)
            LEFT JOIN positive USING (deal_id, investor_id)
            LEFT JOIN bought USING (deal_id, investor_id)
            ORDER BY shown_known_at, deal_id, investor_id
            """,  # noqa: S608 - nothing of a caller in it
            [_SAID],
        ).to_arrow_table()
    return rows.select(DEAL_OFFERS.names).cast(DEAL_OFFERS)


def _known(what: str) -> str:
    return f"if({what}.received_at IS NULL, NULL, greatest({what}.received_at, shown.received_at))"
