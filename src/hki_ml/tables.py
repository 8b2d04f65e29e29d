"""The tables of the lake: their columns, in one place, as Arrow schemas.

Times are UTC in microseconds, money in USD, areas in square feet. ``FACT_*`` name the columns that a
sale, a home and a request share, so that no list of facts stands anywhere else.
"""

from __future__ import annotations

import pyarrow as pa

from hki_ml.monitor_tables import INCIDENTS, MONITOR_CHECKS
from hki_ml.settings import Settings

TIME = pa.timestamp("us", "UTC")

FACT_NUMBERS: tuple[str, ...] = (
    "latitude",
    "longitude",
    "living_sqft",
    "lot_sqft",
    "bedrooms",
    "bathrooms",
    "stories",
    "units",
    "year_built",
    "year_renovated",
    "quality_grade",
    "condition_grade",
    "view_grade",
    "is_waterfront",
)
FACT_CATEGORIES: tuple[str, ...] = ("area", "property_type")
FACTS: tuple[str, ...] = FACT_CATEGORIES + FACT_NUMBERS
EXTRA_PREFIX = "extra_"

EVENTS = pa.schema(
    [
        ("event_id", pa.string()),
        ("event_type", pa.string()),
        ("schema_version", pa.int32()),
        ("entity_id", pa.string()),
        ("occurred_at", TIME),
        ("received_at", TIME),
        ("source", pa.string()),
        ("properties_json", pa.string()),
        ("ingested_at", TIME),
    ]
)
"""Every accepted event once, as it came; the memory from which all else can be made again."""

QUARANTINE = pa.schema(
    [
        ("quarantine_id", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("raw", pa.string()),
        ("origin", pa.string()),
        ("row_number", pa.int64()),
        ("quarantined_at", TIME),
    ]
)
"""What was not accepted, with its reason and its raw text; rows can be mended and replayed."""

_FACT_FIELDS = [(name, pa.string()) for name in FACT_CATEGORIES] + [
    (name, pa.float64()) for name in FACT_NUMBERS
]

SALES = pa.schema(
    [
        ("sale_id", pa.string()),
        ("property_id", pa.string()),
        ("sold_at", TIME),
        ("known_at", TIME),
        ("price_usd", pa.float64()),
        ("is_arms_length", pa.bool_()),
        ("source", pa.string()),
        *_FACT_FIELDS,
        ("extra_json", pa.string()),
    ]
)
"""One row a sale with the home's facts at that time; ``sale_id`` is the id of its event."""

PROPERTY_FACTS = pa.schema(
    [
        ("property_id", pa.string()),
        ("event_timestamp", TIME),
        ("created", TIME),
        *_FACT_FIELDS,
        ("extra_json", pa.string()),
    ]
)
"""The facts of each home as they became known: one row a change (Feast view ``property_facts``)."""

MARKET_TREND = pa.schema(
    [
        ("area", pa.string()), ("event_timestamp", TIME), ("created", TIME),
        ("neighborhood_appreciation_rate", pa.float64()),
        ("market_price_per_sqft_usd", pa.float64()), ("market_sales_count_365d", pa.int64()),
        ("market_sales_count_90d", pa.int64()),
    ]
)  # fmt: skip
"""How each area's market stood at the start of a month, from sales before it (view ``market_trend``)."""

LEADS = pa.schema(
    [
        ("lead_id", pa.string()), ("created_at", TIME), ("created_known_at", TIME),
        ("lead_source", pa.string()), ("property_id", pa.string()),
        ("asking_price_usd", pa.float64()), ("facts_json", pa.string()), ("source", pa.string()),
        ("outcome", pa.string()), ("ended_at", TIME), ("ended_known_at", TIME),
        ("outcome_source", pa.string()),
        ("contract_at", TIME),
        ("contract_known_at", TIME),
    ]
)  # fmt: skip
"""One row a lead as it came, when it first came under contract if ever, and how it ended: ``closed``,
``lost`` or null while it is open."""

LIENS = pa.schema(
    [
        *((name, pa.string()) for name in ("lien_id", "property_id", "lead_id", "kind")),
        ("amount_usd", pa.float64()),
        *((name, TIME) for name in ("recorded_at", "known_at")),
    ]
)
"""One row a claim on a home; ``lien_id`` is its event's id, ``lead_id`` whose title search found it."""

DEALS = pa.schema(
    [
        *((name, pa.string()) for name in ("deal_id", "property_id", "lead_id")),
        *((name, TIME) for name in ("shown_at", "known_at")),
        *((name, pa.string()) for name in ("area", "property_type", "condition", "occupancy")),
        *((name, pa.float64()) for name in ("price_usd", "value_usd", "latitude", "longitude")),
        *((name, pa.float64()) for name in ("living_sqft", "bedrooms", "bathrooms", "year_built")),
        *((name, pa.float64()) for name in ("asking_to_estimate", "asking_price_usd")),
    ]
)
"""One row a deal: what was known of its home and its lead when it was first shown to anybody."""

DEAL_OFFERS = pa.schema(
    [
        *((name, pa.string()) for name in ("deal_id", "investor_id", "response")),
        *((f"{name}_at", TIME) for name in ("shown", "responded", "positive", "bought")),
        *((f"{name}_known_at", TIME) for name in ("shown", "responded", "positive", "bought")),
    ]
)
"""One row a deal and investor it was shown to: the first answer, the first positive one, a purchase."""

INVESTOR_STATE = pa.schema(
    [
        ("investor_id", pa.string()), ("event_timestamp", TIME), ("created", TIME),
        ("investor_kind", pa.string()), ("investor_facts_json", pa.string()),
        ("investor_criteria_json", pa.string()), ("investor_opted_out", pa.bool_()),
        ("investor_registered_at_us", pa.int64()), ("investor_moments_json", pa.string()),
        ("investor_offers_count", pa.float64()), ("investor_positives_count", pa.float64()),
        ("investor_buys_count", pa.float64()), ("investor_average_deal_size", pa.float64()),
        ("investor_response_rate", pa.float64()), ("investor_close_rate", pa.float64()),
        ("investor_last_seen_us", pa.int64()),
    ]
)  # fmt: skip
"""What was known of each investor at a moment: criteria, rates, and the moments that clocks run from.

The three rates are shrunk to those of all investors; the counts beside them are their n (offers for the
response rate, positive answers for the close rate, purchases for the deal size).
"""

PROPERTY_VALUE = pa.schema(
    [
        ("property_id", pa.string()), ("event_timestamp", TIME), ("created", TIME),
        ("property_value_estimate", pa.float64()), ("property_value_fsd", pa.float64()),
        ("comparable_properties_count", pa.int64()), ("property_value_model_version", pa.string()),
    ]
)  # fmt: skip
"""What homes that leads are about were worth at a moment, by sales before it (view ``property_value``)."""

LEAD_STATE = pa.schema(
    [
        ("lead_id", pa.string()),
        ("event_timestamp", TIME),
        ("created", TIME),
        ("lead_created_at_us", pa.int64()),
        ("lead_source", pa.string()),
        ("lead_property_id", pa.string()),
        ("lead_area", pa.string()),
        ("lead_asking_price_usd", pa.float64()),
        ("lead_facts_json", pa.string()),
        ("lead_moments_json", pa.string()),
        ("lead_outcome", pa.string()),
        *(
            (name, pa.float64())
            for name in (
                "lead_source_quality", "lead_source_quality_n", "lead_close_rate",
                "lead_close_rate_n", "property_value_estimate", "property_value_fsd",
                "comparable_properties_count", "property_living_sqft", "property_year_built",
                "neighborhood_appreciation_rate", "market_price_per_sqft_usd",
                "market_sales_count_90d", "market_leads_count_1h", "market_leads_count_1d",
                "history_home_gap_days", "history_home_closed_share", "history_home_last_closed",
                "history_home_last_days",
            )
        ),
        ("history_home_facts_json", pa.string()),
        ("property_liens_count", pa.float64()),
        ("property_liens_usd", pa.float64()),
        ("property_liens_json", pa.string()),
    ]
)  # fmt: skip
"""What was known of each lead at a moment: what stands still, and the moments that clocks run from.

Nothing in it moves with the clock; recency, decay and counts over windows are derived from
``lead_moments_json`` when the question is asked (``hki_ml.learning.lead_clock``). ``property_liens_json``
lists what is known of claims on the home: ``kind``, ``amount_usd``, ``recorded_at`` (seconds since 1970)
and ``event_id``; all three are null where none is known.
"""

STATE_RUNS = pa.schema([("until", TIME), ("table", pa.string()), ("version", pa.int64())])
"""Which versions of the tables the state of leads at ``until`` was made from: what a replay reads."""

FEATURE_SERVICES = pa.schema(
    [
        *((name, pa.string()) for name in ("service", "view", "join_key", "feature")),
        ("ttl_seconds", pa.int64()),
    ]
)
"""Which features a model reads, as last applied: what the online reader needs to know of Feast."""

MATERIALIZED = pa.schema(
    [
        ("store", pa.string()),
        ("view", pa.string()),
        ("version", pa.int64()),
        ("until", TIME),
    ]
)
"""Which version of each feature table an online store holds, and up to which event time."""

BATCH_PREDICTIONS = pa.schema(
    [
        ("prediction_id", pa.string()), ("job_id", pa.string()), ("row_number", pa.int64()),
        ("entity_id", pa.string()), ("model", pa.string()), ("versions_json", pa.string()),
        ("as_of", TIME), ("answer_json", pa.string()), ("features_json", pa.string()),
        ("seen_at", TIME), ("live_events", pa.list_(pa.string())),
    ]
)  # fmt: skip
"""What was answered in bulk: the facts of a ``prediction.made``, one row an answer, one commit a chunk."""

LEDGER = pa.schema(
    [
        ("number", pa.int64()), ("model", pa.string()), ("decision", pa.string()),
        ("version", pa.string()), ("replaced", pa.string()), ("at", TIME), ("by", pa.string()),
        ("reasons_json", pa.string()), ("evidence_json", pa.string()), ("code", pa.string()),
        ("data_as_of", pa.string()),
    ]
)  # fmt: skip
"""Every decision about a champion: what serves is what the last promotion or roll-back says."""

PROTECTED_GROUPS = pa.schema(
    [
        *((name, pa.string()) for name in ("lead_id", "attribute", "group", "source")),
        ("known_at", TIME),
    ]
)
"""Groups that the law protects, for audits alone (``hki_ml.pipeline.groups``); no room names this table."""

SCHEMAS: dict[str, pa.Schema] = {
    "events": EVENTS,
    "quarantine": QUARANTINE,
    "sales": SALES,
    "property_facts": PROPERTY_FACTS,
    "market_trend": MARKET_TREND,
    "leads": LEADS,
    "liens": LIENS,
    "lead_state": LEAD_STATE,
    "property_value": PROPERTY_VALUE,
    "deals": DEALS,
    "deal_offers": DEAL_OFFERS,
    "investor_state": INVESTOR_STATE,
    "state_runs": STATE_RUNS,
    "feature_services": FEATURE_SERVICES,
    "materialized": MATERIALIZED,
    "batch_predictions": BATCH_PREDICTIONS,
    "ledger": LEDGER,
    "monitor_checks": MONITOR_CHECKS,
    "incidents": INCIDENTS,
    "protected_groups": PROTECTED_GROUPS,
}


def table_address(settings: Settings, table: str) -> str:
    """Return where a lake table lies: a path or an ``s3://`` address.

    Examples
    --------
    >>> table_address(Settings(home="/tmp/hki"), "sales")
    '/tmp/hki/lake/sales'
    """
    if settings.lake.url is not None:
        return f"{settings.lake.url.rstrip('/')}/{table}"
    return str(settings.lake_path.absolute() / table)
