"""Events of investors and deals to try the transforms on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from hki_ml.tables import PROPERTY_FACTS, PROPERTY_VALUE
from hki_ml.transforms.deals import deal_offers, deals
from hki_ml.transforms.investor_state import Shown, investor_state, known_investors
from hki_ml.transforms.leads import leads
from tests.unit.transforms.lead_events import START, event, table


def of_deal(
    kind: str,
    investor: str,
    deal: str,
    day: float,
    *,
    late: float = 0.0,
    response: str | None = None,
) -> dict[str, Any]:
    """Return an event of a deal; ids tell deals apart."""
    says: dict[str, Any] = {"dealId": deal}
    says |= {"response": response} if response else {"propertyId": "home 1", "priceUsd": 100_000.0}
    return {
        **event(kind, investor, day, says=says, late=late),
        "event_id": f"{kind} {investor} {deal} {day} {response}",
    }


def state_at(
    events: Sequence[Mapping[str, Any]], moments: Sequence[tuple[str, float]]
) -> list[dict[str, Any]]:
    """Return the state of investors at days after the start."""
    rows = table(events)
    known = deals(rows, leads(rows), PROPERTY_FACTS.empty_table(), PROPERTY_VALUE.empty_table())
    asked = [(who, microsecond(day)) for who, day in moments]
    shown = Shown.of(deal_offers(rows), known)
    return investor_state(asked, known_investors(rows), shown, known).to_pylist()


def microsecond(day: float) -> int:
    return int((START + timedelta(days=day)).timestamp() * 1e6)
