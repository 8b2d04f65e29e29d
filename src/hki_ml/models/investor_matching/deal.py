"""A deal as the matcher sees it, from whatever is known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAN = math.nan


@dataclass(frozen=True, slots=True)
class Deal:
    """What is known of a deal; numbers are NaN and words ``None`` where nothing is.

    ``gap_asked`` and ``gap_value`` are logs of worth over price: worth as the asking price and the
    caller's own comparison say, and as our valuation says.
    """

    deal_id: str | None
    area: str | None
    property_type: str | None
    condition: str | None
    occupancy: str | None
    latitude: float
    longitude: float
    living_sqft: float
    bedrooms: float
    year_built: float
    log_price: float
    gap_asked: float
    gap_value: float

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Deal:
        """Return the deal that a request or a row of table ``deals`` describes."""
        facts = said.get("facts") or {}

        def word(name: str) -> str | None:
            value = said.get(name, None) or facts.get(name)
            return value if isinstance(value, str) and value else None

        def number(name: str) -> float:
            value = said.get(name)
            value = facts.get(name) if value is None else value
            return NAN if value is None or isinstance(value, str) else float(value)

        price = _log(number("price_usd"))
        asked = _log(number("asking_price_usd")) - _log(number("asking_to_estimate"))
        return cls(
            word("deal_id"), word("area"), word("property_type"), word("condition"),
            word("occupancy"), number("latitude"), number("longitude"), number("living_sqft"),
            number("bedrooms"), number("year_built"), price, asked - price,
            _log(number("value_usd")) - price,
        )  # fmt: skip


def _log(value: float) -> float:
    return math.log(value) if value > 0 else NAN
