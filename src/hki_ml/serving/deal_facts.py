"""A deal as the matching room is told of it, from a lead, a home, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

HOME_FACTS = (
    "area", "property_type", "latitude", "longitude", "living_sqft", "bedrooms", "bathrooms",
    "year_built",
)  # fmt: skip


def of_lead(state: Mapping[str, Any], home: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the deal that a lead is about: its asking price, its home's worth and facts.

    What is asked stands for what it will be offered at, which nobody knows yet, and for itself: the
    model compares both with what the caller found the home to be worth.
    """
    text = state.get("lead_facts_json")
    facts: dict[str, Any] = orjson.loads(text) if text else {}
    known = home or {}
    return {
        **_home(known),
        "area": known.get("area") or state.get("lead_area"),
        "property_id": state.get("lead_property_id"),
        "living_sqft": _first(known.get("living_sqft"), state.get("property_living_sqft")),
        "year_built": _first(known.get("year_built"), state.get("property_year_built")),
        "price_usd": state.get("lead_asking_price_usd"),
        "asking_price_usd": state.get("lead_asking_price_usd"),
        "value_usd": state.get("property_value_estimate"),
        "condition": facts.get("condition"),
        "occupancy": facts.get("occupancy"),
        "facts": facts,
    }


def of_home(
    property_id: str, home: Mapping[str, Any], *, price_usd: float | None
) -> dict[str, Any]:
    """Return the deal that a home would be at a price."""
    return {**_home(home), "property_id": property_id, "price_usd": price_usd}


def _home(home: Mapping[str, Any]) -> dict[str, Any]:
    return {name: home.get(name) for name in HOME_FACTS}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
