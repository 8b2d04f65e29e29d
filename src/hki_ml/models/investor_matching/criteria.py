"""What investors say that they buy: who admits a deal, and what would have to change for the others."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.models.investor_matching.deal import Deal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

RULES = (
    "area",
    "property_type",
    "price_low",
    "price_high",
    "bedrooms",
    "living_sqft",
    "year_built",
)
"""Hard criteria; a fact that is not known breaks none of them."""


def named(listed: dict[str, IntArray], names_any: BoolArray, value: str | None) -> FloatArray:
    """Return 1 for who names the value, 0 for who names others, .5 for who names none."""
    if value is None:
        return np.full(len(names_any), 0.5)
    found = np.where(names_any, 0.0, 0.5)
    found[listed.get(value, np.empty(0, np.int64))] = 1.0
    return found


def broken(pool: InvestorPool, deal: Deal) -> BoolArray:
    """Return which rules the deal breaks for everybody in the pool, shape ``(rules, investors)``."""
    n = pool.numbers
    price = math.exp(deal.log_price) if deal.log_price == deal.log_price else math.nan
    return np.stack([
        named(pool.in_area, pool.names_areas, deal.area) == 0,
        named(pool.of_type, pool.names_types, deal.property_type) == 0,
        n["price_low_usd"] > price,
        n["price_high_usd"] < price,
        n["bedrooms_low"] > deal.bedrooms,
        n["living_sqft_low"] > deal.living_sqft,
        n["year_built_low"] > deal.year_built,
    ])  # fmt: skip


def would_admit(pool: InvestorPool, deal: Deal, at: int, rules: BoolArray) -> tuple[str, ...]:
    """Return what would have to change for an investor to admit the deal, a sentence a broken rule."""
    n = {name: values[at] for name, values in pool.numbers.items()}
    price = math.exp(deal.log_price) if deal.log_price == deal.log_price else math.nan
    texts = (
        f"area {deal.area} among the areas they buy in",
        f"property type {deal.property_type} among the types they buy",
        f"a price from ${n['price_low_usd']:,.0f} on (it is ${price:,.0f})",
        f"a price up to ${n['price_high_usd']:,.0f} (it is ${price:,.0f})",
        f"at least {n['bedrooms_low']:g} bedrooms (it has {deal.bedrooms:g})",
        f"at least {n['living_sqft_low']:,.0f} sqft (it has {deal.living_sqft:,.0f})",
        f"built in {n['year_built_low']:.0f} or later (it is of {deal.year_built:.0f})",
    )
    return tuple(text for text, is_broken in zip(texts, rules, strict=True) if is_broken)
