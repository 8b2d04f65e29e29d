"""What the rooms of leads say, as the wire writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hki_ml.serving.naming import camel

ALL = 1.0


def score(said: Mapping[str, Any], time: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``score-lead``'s own part: whole points, shares of the factors, signed drivers, actions."""
    return {
        "score": round(said["score"]),
        "confidence": said["confidence"],
        "factors": dict(said["factors"]),
        "recommendation": said["recommendation"],
        "predictedConversion": said["probability"],
        "estimatedTimeToClose": _days(time["expected_days"]),
        "typicalConversion": said["reference_probability"],
        "drivers": [wired(driver) for driver in said["drivers"]],
        "actions": [wired(action) for action in said["actions"]],
    }


def ended(outcome: str) -> dict[str, Any]:
    """Return what ``score-lead`` says of a lead that has ended: what came true, by no model."""
    closed = outcome == "closed"
    return {
        "score": 100 if closed else 0,
        "confidence": ALL,
        "factors": {},
        "recommendation": outcome,
        "predictedConversion": ALL if closed else 0.0,
        "estimatedTimeToClose": 0 if closed else None,
        "typicalConversion": None,
        "drivers": [],
        "actions": [],
    }


def conversion(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``predict-conversion``'s own part."""
    return {
        "horizons": [{"days": days, "probability": p} for days, p in said["horizons"]],
        "stages": [{"from": f, "to": t, "probability": p} for f, t, p in said["stages"]],
        "agreesWithScore": said["is_anchored"],
    }


def ended_conversion(outcome: str, horizons: Sequence[int]) -> dict[str, Any]:
    """Return what ``predict-conversion`` says of a lead that has ended."""
    p = ALL if outcome == "closed" else 0.0
    return {
        "horizons": [{"days": days, "probability": p} for days in horizons],
        "stages": [],
        "agreesWithScore": True,
    }


def time(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``predict-time-to-close``'s own part; days are rounded to a tenth."""
    tenth = {name: _tenth(days) for name, days in said["quantiles"].items()}
    return {
        "expectedDays": _tenth(said["expected_days"]),
        "medianDays": _tenth(said["median_days"]),
        "quantiles": tenth,
        "distribution": [dict(day) for day in said["distribution"]],
        "neverProbability": said["never_probability"],
        "riskFactors": [wired(factor) for factor in said["risk_factors"]],
        "accelerationOpportunities": [wired(each) for each in said["acceleration_opportunities"]],
        "agreesWithScore": said["is_anchored"],
    }


def ended_time(outcome: str) -> dict[str, Any]:
    """Return what ``predict-time-to-close`` says of a lead that has ended."""
    days = 0.0 if outcome == "closed" else None
    return {
        "expectedDays": days,
        "medianDays": days,
        "quantiles": {"p10": days, "p50": days, "p90": days},
        "distribution": [],
        "neverProbability": 0.0 if outcome == "closed" else ALL,
        "riskFactors": [],
        "accelerationOpportunities": [],
        "agreesWithScore": True,
    }


def wired(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields under their wire names; names of factors and levels inside stay as they are."""
    return {camel(name): value for name, value in fields.items()}


def _days(days: float | None) -> int | None:
    return None if days is None else round(days)


def _tenth(days: float | None) -> float | None:
    return None if days is None else round(days, 1)
