"""Why a deal is risky, kind by kind: scores of 0 to 100, reasons, and the event each comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_features import FACT_PREFIX
from hki_ml.models.risk.answer import Others, SubScore
from hki_ml.models.risk.costs import overpaid_probability
from hki_ml.models.risk.features import SIGNED, liens_of

if TYPE_CHECKING:
    from hki_ml.models.risk.predict import RiskAssessor

LIEN_WEIGHTS = {
    "tax": 0.35,
    "mechanics": 0.35,
    "judgment": 0.5,
    "mortgage": 0.4,
    "lis_pendens": 0.9,
}
SHARE_WEIGHT = 3.0  # of what liens amount to, as a share of the value
LEGAL: dict[tuple[str, str], tuple[float, str]] = {
    ("reason_for_selling", "inherited"): (0.5, "an estate: heirs and the court have to agree"),
    ("lead_source", "probate_list"): (0.6, "in probate: the court has to agree"),
    ("lead_source", "foreclosure_list"): (0.5, "in foreclosure: the sale races an auction"),
    ("reason_for_selling", "behind_on_payments"): (0.35, "behind on payments: the lender may act"),
    ("occupancy", "tenant"): (0.45, "a tenant lives there: the lease stays with the home"),
}
CONDITIONS = {"needs_work": 60.0, "fair": 30.0, "good": 10.0, "excellent": 0.0}
UNKNOWN_CONDITION = 40.0
OLD_YEAR = 1940
FEW_COMPARABLES, FEW_BUYERS = 5, 3
CONTRADICTION = 0.25  # log between what the seller's estimate and ours say of the price
MOST_REASONS = 4


def sub_scores(
    model: RiskAssessor, state: Mapping[str, Any], others: Others, columns: NDArray[np.float64],
    probability: float, unsold: float,
) -> tuple[SubScore, ...]:  # fmt: skip
    """Return every kind of risk of a deal, in the published order."""
    facts = facts_of(state)
    came = f"lead.created {_day(_seconds(state.get('lead_created_at_us'), 1e6))}"
    return (
        _title(state, others),
        _legal(facts | {"lead_source": state.get("lead_source")}, came),
        _price(others),
        _liquidity(others, unsold),
        _condition(facts, state, came),
        _data(state, others, facts, came),
        _concentration(others),
        _fall_through(model, columns, probability),
    )


def facts_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that came with the lead."""
    stored = state.get("lead_facts_json")
    return json.loads(stored) if isinstance(stored, str) and stored else {}


def _title(state: Mapping[str, Any], others: Others) -> SubScore:
    liens = liens_of(state.get("property_liens_json"))
    worth = others.value_usd or others.ask_usd or 300_000.0
    total = sum(LIEN_WEIGHTS.get(lien["kind"], 0.35) for lien in liens)
    total += SHARE_WEIGHT * sum(lien["amount_usd"] or 0.0 for lien in liens) / worth
    told = tuple(
        f"{lien['kind'].replace('_', ' ')} lien"
        + (f" of ${lien['amount_usd']:,.0f}" if lien["amount_usd"] else "")
        + f", recorded {_day(lien['recorded_at'])}"
        for lien in liens
    )
    source = "; ".join(f"lien.recorded {lien['event_id']}" for lien in liens)
    return SubScore(
        "title", _score(total), told or ("no claim on the home is known",),
        source or f"no lien.recorded by {_signed_on(state)}",
    )  # fmt: skip


def _legal(facts: Mapping[str, Any], came: str) -> SubScore:
    found = [told for (name, level), told in LEGAL.items() if facts.get(name) == level]
    return SubScore(
        "legal", _score(sum(weight for weight, _ in found)),
        tuple(text for _, text in found) or ("nothing that the facts tell",), came,
    )  # fmt: skip


def _price(others: Others) -> SubScore:
    chance = overpaid_probability(others)
    if chance is None:
        return SubScore("price", 50.0, ("value or price is not known",), "nothing to compare")
    gap = (others.ask_usd or 0.0) / (others.value_usd or 1.0) - 1.0
    told = f"priced {abs(gap):.0%} {'above' if gap > 0 else 'below'} the value: P(worth less) {chance:.0%}"
    return SubScore("price", 100.0 * chance, (told,), "valuation, and the asking price")


def _liquidity(others: Others, unsold: float) -> SubScore:
    told = [f"P(not sold within 120 days) {unsold:.0%}"]
    told.append(
        "buyers not asked" if others.buyers is None else f"{others.buyers} buyers would be shown it"
    )
    return SubScore("liquidity", 100.0 * unsold, tuple(told), "investor matching")


def _condition(facts: Mapping[str, Any], state: Mapping[str, Any], came: str) -> SubScore:
    said = facts.get("condition")
    score = CONDITIONS.get(str(said), UNKNOWN_CONDITION)
    told = [f"condition: {said}" if said else "condition not known"]
    built = state.get("property_year_built")
    if isinstance(built, int | float) and built < OLD_YEAR:
        score += 15.0
        told.append(f"built {built:.0f}")
    return SubScore("condition", score, tuple(told), came)


def _data(
    state: Mapping[str, Any], others: Others, facts: Mapping[str, Any], came: str
) -> SubScore:
    told = [
        f"{name} not known"
        for name, value in (
            ("value", others.value_usd), ("price", others.ask_usd), ("home", state.get("lead_property_id")),
            ("condition", facts.get("condition")), ("mortgage", facts.get("mortgage_share")),
        )
        if value is None
    ]  # fmt: skip
    if others.comparables is None or others.comparables < FEW_COMPARABLES:
        told.append(f"{others.comparables or 0} comparable sales")
    said = facts.get("asking_to_estimate")
    if isinstance(said, int | float) and said > 0 and others.ask_usd and others.value_usd:
        off = abs(float(np.log(others.ask_usd / others.value_usd) - np.log(said)))
        if off > CONTRADICTION:
            told.append("what the seller says of the price contradicts our value")
    return SubScore("data", min(100.0, 18.0 * len(told)), tuple(told) or ("nothing missing",), came)


def _concentration(others: Others) -> SubScore:
    if others.buyers is None:
        return SubScore("concentration", 50.0, ("buyers not asked",), "investor matching")
    told = f"{others.buyers} buyers" + (": it hangs on few" if others.buyers < FEW_BUYERS else "")
    return SubScore("concentration", 100.0 / (1.0 + others.buyers), (told,), "investor matching")


def _fall_through(
    model: RiskAssessor, columns: NDArray[np.float64], probability: float
) -> SubScore:
    """Tell what moves the log-odds most against the mean contract; a feature's columns are added up."""
    moved: dict[str, float] = {}
    parts = (columns - model.means) * model.weights
    for term, part in zip(model.design.terms, parts, strict=True):
        moved[term.feature] = moved.get(term.feature, 0.0) + float(part)
    largest = sorted(moved.items(), key=lambda each: (-abs(each[1]), each[0]))[:MOST_REASONS]
    told = tuple(
        f"{name.removeprefix(FACT_PREFIX).replace('_', ' ')}: {part:+.2f} log-odds"
        for name, part in largest
    )
    return SubScore(
        "fall_through", 100.0 * probability, told, f"model {model.version or 'unnamed'}"
    )


def _score(weight: float) -> float:
    return 100.0 * float(1.0 - np.exp(-weight))


def _signed_on(state: Mapping[str, Any]) -> str:
    stored = state.get("lead_moments_json")
    kinds, times = json.loads(stored) if isinstance(stored, str) and stored else ([], [])
    latest = max(times, default=None)
    when = next((at for kind, at in zip(kinds, times, strict=True) if kind == SIGNED), latest)
    return f"the contract of {_day(when)}"


def _seconds(value: object, per: float) -> float | None:
    return float(value) / per if isinstance(value, int | float | np.number) else None


def _day(seconds: float | None) -> str:
    if seconds is None:
        return "an unknown day"
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
