"""The adjustment grid: each comparable's price, line by line, made the price of the subject."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from hki_ml.learning.contributions import split_ratio
from hki_ml.models.valuation.answer import Adjustment, Comparable, ComparableChoice, FactValue
from hki_ml.models.valuation.comparables import weights
from hki_ml.models.valuation.explain import GROUPS, PLACE, group_of_fact
from hki_ml.models.valuation.homes import FloatArray, Homes
from hki_ml.models.valuation.predict import Valuer, Values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MONTH_DAYS = 30.4375
MARKET = "market_since_the_sale"


@dataclass(frozen=True, slots=True)
class Subject:
    """The home that is valued: as columns (one row), as a person knows it, and what the model said."""

    homes: Homes
    facts: Mapping[str, FactValue]
    said: Values


def grid(valuer: Valuer, subject: Subject, choice: ComparableChoice) -> tuple[Comparable, ...]:
    """Return the comparables that count most, each with lines that reconcile.

    A comparable's price times the market's change since its sale times the ratio of what both homes'
    facts are worth is its adjusted price; the factors are split into dollars, so that price plus
    lines is the adjusted price to the last cent.
    """
    evidence = valuer.core.evidence
    found = subject.said.view.found
    rows = found.rows[0][found.rows[0] >= 0]
    share = weights(found.far)[0][: len(rows)]
    pinned = np.isin(valuer.core.book.sale_id[rows].astype(str), choice.pin)
    order = np.lexsort((-share, ~pinned))[: choice.count]
    rows, share, pinned = rows[order], share[order], pinned[order]
    theirs = evidence.homes.take(rows)
    logs = _logs(valuer, subject, theirs)
    mine = _by_group(subject.facts)
    here = evidence.geography.place(subject.homes)[0]
    made = []
    for i, row in enumerate(rows):
        facts = facts_of(theirs, i)
        price = round(float(np.exp(evidence.log_price[row])), 2)
        lines = _lines(price, logs[i], (mine, _by_group(facts)))
        comparable = Comparable(
            sale_id=str(valuer.core.book.sale_id[row]),
            property_id=str(valuer.core.book.home_id[row]),
            sold_at=EPOCH + timedelta(days=int(theirs.day[i])),
            price_usd=price,
            adjusted_price_usd=price + sum(line.amount_usd for line in lines),
            adjustments=lines,
            distance_km=_distance(facts, here, evidence.place[row]),
            months_ago=float(subject.homes.day[0] - theirs.day[i]) / MONTH_DAYS,
            similarity=float(np.exp(-0.5 * found.far[0][order[i]])),
            weight=float(share[i]),
            pinned=bool(pinned[i]),
            facts=facts,
        )
        made.append(comparable)
    return tuple(made)


def facts_of(homes: Homes, row: int) -> dict[str, FactValue]:
    """Return the facts of one home, without those that are missing."""
    given = {name: float(values[row]) for name, values in homes.numbers.items()}
    numbers: dict[str, FactValue] = {n: v for n, v in given.items() if not math.isnan(v)}
    categories: dict[str, FactValue] = {
        name: str(values[row])
        for name, values in homes.categories.items()
        if values[row] is not None
    }
    return numbers | categories


def _distance(facts: Mapping[str, FactValue], here: FloatArray, there: FloatArray) -> float | None:
    if "latitude" not in facts:
        return None
    return float(np.hypot(*(here - there)))


def _logs(valuer: Valuer, subject: Subject, homes: Homes) -> FloatArray:
    """Return log factors a comparable: the market first, then each group of facts."""
    core = valuer.core
    out = np.zeros((len(homes), 1 + len(GROUPS)))
    # NOTE: a comparable is compared as it was when sold; its age is part of its price.
    theirs, mine = core.hedonic.effects(homes), core.hedonic.effects(subject.homes)
    for j, name in enumerate(core.hedonic.names):
        out[:, 1 + GROUPS.index(group_of_fact(name))] += mine[0, j] - theirs[:, j]
    now = core.market.at(subject.homes.day, subject.homes.category("area"))[0]
    out[:, 0] = now - core.market.at(homes.day, homes.category("area"))
    return out


def _lines(
    price: float,
    logs: FloatArray,
    facts: tuple[Mapping[str, FactValue], Mapping[str, FactValue]],
) -> tuple[Adjustment, ...]:
    amounts = split_ratio(price, logs)
    lines = [Adjustment(MARKET, float(amounts[0]), home=None, comparable=None)]
    for group, amount in zip(GROUPS, amounts[1:], strict=True):
        if group == PLACE or amount == 0:
            continue
        home, comparable = (side.get(group) for side in facts)
        lines.append(Adjustment(group, float(amount), home=home, comparable=comparable))
    return tuple(lines)


def _by_group(facts: Mapping[str, FactValue]) -> dict[str, FactValue]:
    """Return what stands for each group in the grid: its fact, several of them in one text."""
    own: dict[str, list[tuple[str, FactValue]]] = {}
    for name, value in sorted(facts.items()):
        if value is not None:
            own.setdefault(group_of_fact(name), []).append((name, value))
    return {group: given[0][1] if len(given) == 1 else _text(given) for group, given in own.items()}


def _text(facts: list[tuple[str, FactValue]]) -> str:
    shown = (f"{value:g}" if isinstance(value, float) else str(value) for _, value in facts)
    return ", ".join(f"{name} {text}" for (name, _), text in zip(facts, shown, strict=True))
