"""What leads' homes were worth when each lead came, as the champion valuation says it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

from hki_ml.tables import PROPERTY_VALUE
from hki_ml.wiring import Backend

MODEL = "valuation"


def appraise(backend: Backend) -> int:
    """Value the homes of leads that have no value of their day yet; return how many were valued.

    A value that was given stays, with the version that gave it; without a champion nothing is valued.
    """
    asked = _not_valued(backend)
    champion = backend.registry.resolve(MODEL, "champion")
    if champion is None or not len(asked):
        return 0
    from hki_ml.models.valuation.artifact import load
    from hki_ml.models.valuation.estimate import estimates
    from hki_ml.models.valuation.room import canonical

    with tempfile.TemporaryDirectory() as made:
        valuer = load(backend.registry.download(champion, Path(made) / MODEL))
    said = estimates(valuer, canonical(asked), asked["event_timestamp"])
    rows = asked[["property_id", "event_timestamp"]].assign(
        created=asked["event_timestamp"],
        property_value_estimate=said["value_usd"],
        property_value_fsd=said["fsd"],
        comparable_properties_count=said["comparables_count"],
        property_value_model_version=champion.version,
    )
    backend.lake.append("property_value", pa.Table.from_pandas(rows, PROPERTY_VALUE))
    return len(rows)


def _not_valued(backend: Backend) -> pd.DataFrame:
    """Return homes of leads with their facts as of the day on which a lead came, if not valued then."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("leads", backend.lake.read("leads"))
        connection.register("facts", backend.lake.read("property_facts"))
        connection.register("valued", backend.lake.read("property_value"))
        asked: pd.DataFrame = (
            connection.execute(
                """
            WITH days AS (
                SELECT DISTINCT property_id, date_trunc('day', created_known_at) AS day
                FROM leads WHERE property_id IS NOT NULL
            ), fresh AS (
                SELECT days.* FROM days ANTI JOIN valued
                ON days.property_id = valued.property_id AND days.day = valued.event_timestamp
            )
            SELECT facts.* EXCLUDE (event_timestamp, created), fresh.day AS event_timestamp
            FROM fresh ASOF JOIN facts
            ON fresh.property_id = facts.property_id AND fresh.day >= facts.event_timestamp
            ORDER BY fresh.property_id, fresh.day
            """
            )
            .to_arrow_table()
            .to_pandas()
        )
    return asked
