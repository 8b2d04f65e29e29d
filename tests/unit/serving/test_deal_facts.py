"""A deal that is asked about is the deal that the matcher learned from."""

from __future__ import annotations

import dataclasses
import json
import math

import pyarrow as pa
import pytest

from hki_ml.models.investor_matching.deal import Deal
from hki_ml.serving.deal_facts import of_lead
from hki_ml.tables import PROPERTY_FACTS, PROPERTY_VALUE
from hki_ml.transforms.deals import deals
from hki_ml.transforms.leads import leads
from tests.unit.transforms.lead_events import START, event, table

PRICE = 300_000.0
FACTS = {"condition": "poor", "occupancy": "vacant", "asking_to_estimate": 0.8}
HOME = {
    "area": "98101", "property_type": "house", "latitude": 47.6, "longitude": -122.3,
    "living_sqft": 1_500.0, "bedrooms": 3.0, "bathrooms": 2.0, "year_built": 1950,
}  # fmt: skip
WORTH = 410_000.0


def one(schema: pa.Schema, **said) -> pa.Table:
    return pa.Table.from_pylist(
        [{"property_id": "home 1", "event_timestamp": START, "created": START, **said}], schema
    )


def test_a_deal_at_the_asking_price_is_the_same_when_learned_from_and_when_asked_about():
    created = {"leadSource": "ppc", "propertyId": "home 1", "askingPriceUsd": PRICE, "facts": FACTS}
    offered = {"dealId": "d", "propertyId": "home 1", "leadId": "a", "priceUsd": PRICE}
    rows = table([
        event("lead.created", "a", 1, says=created), event("deal.offered", "i", 9, says=offered),
    ])  # fmt: skip
    worth = one(PROPERTY_VALUE, property_value_estimate=WORTH)
    (learned,) = deals(rows, leads(rows), one(PROPERTY_FACTS, **HOME), worth).to_pylist()
    state = {
        "lead_property_id": "home 1", "lead_asking_price_usd": PRICE, "lead_area": "98101",
        "lead_facts_json": json.dumps(FACTS), "property_value_estimate": WORTH,
    }  # fmt: skip
    asked = of_lead(state, HOME) | {"deal_id": "d"}
    assert dataclasses.astuple(Deal.of(asked)) == pytest.approx(
        dataclasses.astuple(Deal.of(learned))
    )
    assert Deal.of(asked).gap_asked == pytest.approx(-math.log(0.8))
