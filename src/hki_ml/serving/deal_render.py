"""What the rooms of matching and risk say, as the wire writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hki_ml.serving.lead_render import wired
from hki_ml.serving.naming import camel

SHOWN = (
    "area", "property_type", "latitude", "longitude", "living_sqft", "bedrooms", "year_built",
    "price_usd", "value_usd", "condition", "occupancy",
)  # fmt: skip


def matches(said: Mapping[str, Any], deal: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``match-investors``' own part."""
    why_not = said["why_not"]
    return {
        "deal": {camel(name): deal.get(name) for name in SHOWN},
        "matches": [
            {
                **wired(match),
                "reasons": [wired(reason) for reason in match["reasons"]],
                "earlier": [wired(each) for each in match["earlier"]],
            }
            for match in said["matches"]
        ],
        "alternatives": [wired(each) for each in said["alternatives"]],
        "whyNot": None if why_not is None else wired(why_not),
        "asked": said["asked"],
        "admitted": said["admitted"],
    }


def risk(said: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``assess-risk``'s own part; losses in whole US dollars."""
    return {
        "fallThroughProbability": said["fall_through_probability"],
        "expectedLossUsd": round(said["expected_loss_usd"]),
        "tailLossUsd": round(said["tail_loss_usd"]),
        "band": said["band"],
        "subScores": [wired(score) for score in said["sub_scores"]],
        "madeOf": {camel(name): value for name, value in others.items()},
    }


def ended_risk(outcome: str) -> dict[str, Any]:
    """Return what ``assess-risk`` says of a lead that has ended: what came true, by no model."""
    return {
        "fallThroughProbability": 0.0 if outcome == "closed" else 1.0,
        "expectedLossUsd": 0,
        "tailLossUsd": 0,
        "band": "Low",
        "subScores": [],
        "madeOf": {},
    }
