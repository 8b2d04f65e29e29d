"""A valuation as the body of an answer: camelCase, whole dollars that reconcile, UTC with ``Z``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hki_ml.models.valuation.answer import (
    Comparable,
    Driver,
    FactValue,
    Interval,
    Investment,
    InvestmentTerms,
    Valuation,
)
from hki_ml.serving.asked import iso
from hki_ml.serving.money import dollars, parts
from hki_ml.serving.naming import camel, to_wire
from hki_ml.tables import EXTRA_PREFIX, FACTS


def valuation(answer: Valuation, home: Mapping[str, FactValue]) -> dict[str, Any]:
    """Return what the model said of the home; an answer without estimate has nulls and ``noEstimate``.

    Raises
    ------
    ValueError
        If adjustments or drivers do not add up to what they explain.
    """
    against = answer.reasons_against
    value = answer.estimated_value_usd
    silent = bool(against) or value is None
    total = None if silent or value is None else dollars(value)
    typical = answer.typical_value_usd
    base = None if total is None or typical is None else dollars(typical)
    return {
        "asOf": iso(answer.as_of),
        "estimatedValue": total,
        "intervals": None if silent else {k: _range(v) for k, v in answer.intervals.items()},
        "fsd": None if silent else _share(answer.fsd),
        "confidence": None if silent else _share(answer.confidence),
        "assumedFacts": to_wire(answer.assumed),
        "comparables": _comparables(answer.comparables, {**home, **answer.assumed}),
        "typicalValue": base,
        "valueDrivers": []
        if base is None or total is None
        else _drivers(answer.drivers, total - base),
        "investment": None
        if silent or answer.investment is None
        else _investment(answer.investment),
        "noEstimate": {"reasons": list(against) or ["no estimate"]} if silent else None,
    }


def _share(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(float(value), digits)


def _range(interval: Interval) -> dict[str, int]:
    return {"low": dollars(interval.low), "high": dollars(interval.high)}


def _drivers(drivers: tuple[Driver, ...], total: int) -> list[dict[str, Any]]:
    amounts = parts([d.amount_usd for d in drivers], total)
    return [
        {
            "factor": camel(driver.factor),
            "amountUsd": amount,
            "facts": to_wire(driver.facts),
            "typical": to_wire(driver.typical),
        }
        for driver, amount in zip(drivers, amounts, strict=True)
    ]


def _comparables(
    sales: Sequence[Comparable], home: Mapping[str, FactValue]
) -> list[dict[str, Any]]:
    """Return the grid: every sale has the same lines in the same order, of nothing where they agree."""
    factors = [line.factor for line in max((s.adjustments for s in sales), key=len, default=())]
    named = {line.factor for sale in sales for line in sale.adjustments}
    factors += sorted(named.difference(factors))
    lines = {factor: to_wire(of_factor(factor, home)) for factor in factors}
    placed = home.get("latitude") is not None and home.get("longitude") is not None
    return [
        _comparable(rank, sale if placed else replace(sale, distance_km=None), lines)
        for rank, sale in enumerate(sales, start=1)
    ]


def _comparable(rank: int, sale: Comparable, mine: Mapping[str, Any]) -> dict[str, Any]:
    price, adjusted = dollars(sale.price_usd), dollars(sale.adjusted_price_usd)
    amounts = parts([a.amount_usd for a in sale.adjustments], adjusted - price)
    lines = dict(zip((a.factor for a in sale.adjustments), amounts, strict=True))
    facts = to_wire(sale.facts)
    return {
        "rank": rank,
        "saleId": sale.sale_id,
        "propertyId": sale.property_id,
        "soldAt": iso(sale.sold_at),
        "priceUsd": price,
        "adjustedPriceUsd": adjusted,
        "adjustments": [
            {
                "factor": camel(factor),
                "amountUsd": lines.get(factor, 0),
                "home": own,
                "comparable": to_wire(of_factor(factor, sale.facts)),
            }
            for factor, own in mine.items()
        ],
        "distanceKm": _share(sale.distance_km, 3),
        "monthsAgo": _share(sale.months_ago, 1),
        "similarity": _share(sale.similarity),
        "weight": _share(sale.weight),
        "pinned": bool(sale.pinned),
        "latitude": facts.get("latitude"),
        "longitude": facts.get("longitude"),
        "facts": facts,
    }


def of_factor(factor: str, facts: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """Return the facts that a factor stands for: itself if it is one, else those of its group."""
    if factor in FACTS or factor.startswith(EXTRA_PREFIX):
        return {factor: facts.get(factor)}
    from hki_ml.models.valuation.explain import group_of_fact

    return {name: value for name, value in sorted(facts.items()) if group_of_fact(name) == factor}


def _investment(deal: Investment) -> dict[str, Any]:
    return {
        "afterRepairValueUsd": dollars(deal.after_repair_value_usd),
        "afterRepair": _range(deal.after_repair),
        "maximumAllowableOfferUsd": dollars(deal.maximum_allowable_offer_usd),
        "probabilityOfLoss": _share(deal.probability_of_loss),
        "expectedProfitUsd": dollars(deal.expected_profit_usd),
        "acceptanceProbability": _share(deal.acceptance_probability),
        "winnersCurseUsd": dollars(deal.winners_curse_usd),
        "renovationPotentialUsd": dollars(deal.renovation_potential_usd),
        "draws": int(deal.draws),
        "terms": _terms(deal.terms),
    }


def _terms(terms: InvestmentTerms) -> dict[str, float]:
    names = InvestmentTerms.__dataclass_fields__
    return {camel(name): float(getattr(terms, name)) for name in names}
