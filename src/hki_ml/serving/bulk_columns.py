"""The columns of finished files about leads: one cell a thing, the same in CSV and in Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from hki_ml.learning.lead_features import FACTORS
from hki_ml.models.lead_scoring.answer import LeadScore
from hki_ml.models.lead_scoring.bulk import REASONS, Bulk
from hki_ml.serving import lead_render
from hki_ml.serving.lead_model import HORIZONS_DAYS

SCORED, ENDED = "scored", "ended"
ACTIONS = "actions"

_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int64()
_SCORE = [
    ("status", _TEXT), ("score", _WHOLE), ("probability", _NUMBER), ("confidence", _NUMBER),
    ("recommendation", _TEXT), ("typical_probability", _NUMBER),
]  # fmt: skip
_REASONS = [
    field
    for n in range(1, REASONS + 1)
    for field in (
        (f"reason_{n}", _TEXT), (f"reason_{n}_log_odds", _NUMBER), (f"reason_{n}_text", _TEXT),
    )
]  # fmt: skip
_LOG_ODDS = [(f"log_odds_{factor}", _NUMBER) for factor in FACTORS]
_ACTIONS = [
    field
    for n in range(1, REASONS + 1)
    for field in (
        (f"action_{n}", _TEXT), (f"action_{n}_kind", _TEXT), (f"action_{n}_score_change", _NUMBER),
        (f"action_{n}_probability_change", _NUMBER),
    )
]  # fmt: skip
_OWN = {
    "lead_scoring": [],
    "conversion": [
        *((f"closed_by_{days}d", _NUMBER) for days in HORIZONS_DAYS),
        ("next_stage", _TEXT), ("next_stage_probability", _NUMBER), ("lost_here_probability", _NUMBER),
    ],
    "time_to_close": [
        ("expected_days", _NUMBER), ("median_days", _NUMBER), ("p10_days", _NUMBER),
        ("p90_days", _NUMBER), ("never_probability", _NUMBER), ("risk_factor", _TEXT),
        ("risk_factor_hazard_ratio", _NUMBER), ("quickest_step", _TEXT),
        ("quickest_step_days_saved", _NUMBER),
    ],
}  # fmt: skip
_SOURCE = [
    ("model_version", _TEXT), ("degraded", pa.bool_()), ("fallback_level", _TEXT),
    ("feature_age_seconds", _NUMBER), ("computed_at", _TEXT),
]  # fmt: skip


def schema_of(model: str, also: Sequence[str]) -> pa.Schema:
    """Return the columns of a model's answers."""
    actions = _ACTIONS if ACTIONS in also else []
    return pa.schema([*_SCORE, *_OWN[model], *_REASONS, *_LOG_ODDS, *actions, *_SOURCE])


def of_bulk(said: Bulk, at: int) -> dict[str, Any]:
    """Return what was said of one of many leads at once."""
    row: dict[str, Any] = {
        "status": SCORED,
        "score": round(float(said.score[at])),
        "probability": float(said.probability[at]),
        "confidence": float(said.confidence[at]),
        "recommendation": said.recommendation[at],
        "typical_probability": float(said.reference_probability[at]),
    }
    log_odds = said.log_odds[at].tolist()
    for n, factor in enumerate(said.order[at, :REASONS].tolist(), 1):
        row[f"reason_{n}"] = said.factors[factor]
        row[f"reason_{n}_log_odds"] = log_odds[factor]
        row[f"reason_{n}_text"] = said.texts[at][n - 1]
    for name, value in zip(said.factors, log_odds, strict=True):
        row[f"log_odds_{name}"] = value
    return row


def of_answer(said: LeadScore) -> dict[str, Any]:
    """Return what was said of one lead by itself, with what could be done."""
    row: dict[str, Any] = {
        "status": SCORED,
        "score": round(said.score),
        "probability": said.probability,
        "confidence": said.confidence,
        "recommendation": said.recommendation,
        "typical_probability": said.reference_probability,
    }
    for n, driver in enumerate(said.drivers[:REASONS], 1):
        row[f"reason_{n}"] = driver.factor
        row[f"reason_{n}_log_odds"] = driver.log_odds
        row[f"reason_{n}_text"] = driver.text
    row |= {f"log_odds_{driver.factor}": driver.log_odds for driver in said.drivers}
    for n, action in enumerate(said.actions[:REASONS], 1):
        row[f"action_{n}"] = action.action
        row[f"action_{n}_kind"] = action.kind
        row[f"action_{n}_score_change"] = action.score_change
        row[f"action_{n}_probability_change"] = action.probability_change
    return row


def of_ended(outcome: str) -> dict[str, Any]:
    """Return what is said of a lead that has ended: what came true."""
    told = lead_render.ended(outcome)
    return {
        "status": ENDED,
        "score": told["score"],
        "probability": told["predictedConversion"],
        "confidence": told["confidence"],
        "recommendation": told["recommendation"],
    }


def of_conversion(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``predict-conversion``'s own part as columns."""
    row = {f"closed_by_{each['days']}d": each["probability"] for each in said["horizons"]}
    stages = said["stages"]
    if stages:
        row["next_stage"] = stages[0]["to"]
        row["next_stage_probability"] = stages[0]["probability"]
        row["lost_here_probability"] = stages[1]["probability"]
    return row


def of_time(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``predict-time-to-close``'s own part as columns."""
    row = {
        "expected_days": said["expectedDays"],
        "median_days": said["medianDays"],
        "p10_days": said["quantiles"]["p10"],
        "p90_days": said["quantiles"]["p90"],
        "never_probability": said["neverProbability"],
    }
    if said["riskFactors"]:
        row["risk_factor"] = said["riskFactors"][0]["factor"]
        row["risk_factor_hazard_ratio"] = said["riskFactors"][0]["hazardRatio"]
    if said["accelerationOpportunities"]:
        row["quickest_step"] = said["accelerationOpportunities"][0]["action"]
        row["quickest_step_days_saved"] = said["accelerationOpportunities"][0]["daysSaved"]
    return row
