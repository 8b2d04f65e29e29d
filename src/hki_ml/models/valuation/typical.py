"""What is typical of an area, and how far the sales reach: the references that an answer is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hki_ml.models.valuation.answer import FactValue, KnownFact
from hki_ml.models.valuation.core import Core
from hki_ml.models.valuation.hedonic import Hedonic
from hki_ml.models.valuation.homes import FloatArray, Homes, IntArray

CITY = ""
RECENT_DAYS = 1096  # three years: enough for medians of small areas, and still today's stock
MIN_SALES = 15
RENOVATED_QUANTILE = 0.9
SIZE_FACTS = ("living_sqft",)
NEARLY_ALL = 0.8
PLACE_FACTS = ("area", "latitude", "longitude")


@dataclass(frozen=True, slots=True)
class Reference:
    """Typical and good homes of each area, and the range of each fact among the known sales.

    Attributes
    ----------
    typical
        Median facts and commonest categories of an area's recent sales; under ``""`` the city's.
    good_condition
        The 90th percentile of ``condition_grade`` there, where the source has such a grade.
    lowest, highest
        The 0.05 and 99.95 percentiles of each numeric fact.
    levels
        The known levels of each categorical fact, commonest first.
    known_facts
        What the model looks at, for forms and documents.
    expected
        Facts that nearly every known sale has: without them a home cannot be placed among them.
    doubt
        By area, of each fact that nearly every known sale has: the variance of what it is worth
        (log price) there, which is what one does not know who does not know the fact.
    """

    typical: Mapping[str, Mapping[str, FactValue]]
    good_condition: Mapping[str, float]
    lowest: Mapping[str, float]
    highest: Mapping[str, float]
    levels: Mapping[str, tuple[str, ...]]
    expected: tuple[str, ...]
    known_facts: tuple[KnownFact, ...]
    doubt: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, core: Core) -> Reference:
        """Learn the references from the sales that a model knows."""
        homes = core.book.homes
        usual = _usual(homes)
        day, area = homes.day, homes.category("area")
        recent = np.flatnonzero(day >= day.max() - RECENT_DAYS)
        typical = {CITY: _typical(homes.take(recent))}
        good = {CITY: _good_condition(homes.take(recent))}
        doubt = {CITY: _doubt(core.hedonic, homes.take(recent), usual)}
        names, code = np.unique(np.array([a or CITY for a in area[recent]]), return_inverse=True)
        for i, name in enumerate(names):
            rows = recent[code == i]
            if name != CITY and len(rows) >= MIN_SALES:
                typical[str(name)] = _typical(homes.take(rows))
                good[str(name)] = _good_condition(homes.take(rows))
                doubt[str(name)] = _doubt(core.hedonic, homes.take(rows), usual)
        ranges = {name: _range(values) for name, values in homes.numbers.items()}
        known = {name: pair for name, pair in ranges.items() if pair is not None}
        return cls(
            typical,
            {name: grade for name, grade in good.items() if grade is not None},
            {name: pair[0] for name, pair in known.items()},
            {name: pair[1] for name, pair in known.items()},
            {name: _levels(homes, name) for name in homes.categories},
            tuple(name for name in SIZE_FACTS if _share_known(homes, name) > NEARLY_ALL),
            _known_facts(homes),
            doubt,
        )

    def assumed(self, home: Mapping[str, FactValue]) -> tuple[dict[str, FactValue], float]:
        """Return what is assumed of a home whose usual facts are not all given, and how unsure that is.

        What is not given is as in the area's typical home. The second number is a standard deviation
        of log price: how far homes of the area lie apart in those facts' worth.
        """
        area = home.get("area")
        name = area if isinstance(area, str) and area in self.doubt else CITY
        missing = [fact for fact in self.doubt[name] if home.get(fact) is None]
        typical = self.typical_of(name)
        variance = sum(self.doubt[name][fact] for fact in missing)
        return {fact: typical[fact] for fact in missing if fact in typical}, variance**0.5

    def typical_of(self, area: str | None) -> Mapping[str, FactValue]:
        """Return the typical home of an area, of the city where the area is unknown or too small."""
        return self.typical.get(area or CITY, self.typical[CITY])

    def good_condition_of(self, area: str | None) -> float | None:
        """Return the condition that a renovated home of the area would have, if grades are known."""
        return self.good_condition.get(area or CITY, self.good_condition.get(CITY))

    def outside(self, home: Mapping[str, FactValue]) -> list[str]:
        """Return a sentence for each fact that is wanting, or lies outside what the sales reach."""
        found = [
            f"{name} is not given, which nearly all known sales have"
            for name in self.expected
            if home.get(name) is None
        ]
        if home.get("area") is None and home.get("latitude") is None:
            found.append("neither an area nor coordinates are given: the home has no place")
        for name, low in self.lowest.items():
            value = home.get(name)
            if not isinstance(value, int | float):
                continue
            high = self.highest[name]
            slack = 0.25 * (high - low)
            if not low - slack <= value <= high + slack:
                found.append(
                    f"{name} {value:g} lies outside what the known sales reach ({low:g} to {high:g})"
                )
        return found


def homes_of(home: Mapping[str, FactValue], *, day: int, like: Homes) -> Homes:
    """Return one home as columns, with the facts that ``like`` has; others are left out."""
    days: IntArray = np.array([day], dtype=np.int64)
    numbers = {name: np.array([_number(home.get(name))]) for name in like.numbers}
    categories = {
        name: np.array([_level(home.get(name))], dtype=object) for name in like.categories
    }
    return Homes(days, numbers, categories)


def _number(value: FactValue) -> float:
    return float(value) if isinstance(value, bool | int | float) else np.nan


def _level(value: FactValue) -> str | None:
    return None if value is None else str(value)


def _known_facts(homes: Homes) -> tuple[KnownFact, ...]:
    facts = [KnownFact(name, categories=_levels(homes, name)[:200]) for name in homes.categories]
    for name, values in homes.numbers.items():
        if not np.isnan(values).all():
            low, high = np.nanquantile(values, [0.01, 0.99])
            facts.append(KnownFact(name, float(low), float(high)))
    return tuple(facts)


def _usual(homes: Homes) -> tuple[str, ...]:
    """Return the facts of the home itself that nearly every sale has; its place is not assumed."""
    names = [*homes.numbers, *homes.categories]
    known = {name for name in names if _share_known(homes, name) > NEARLY_ALL}
    return tuple(name for name in names if name in known.difference(PLACE_FACTS, SIZE_FACTS))


def _doubt(hedonic: Hedonic, homes: Homes, usual: tuple[str, ...]) -> dict[str, float]:
    return {name: float(np.var(hedonic.effect(name, homes))) for name in usual}


def _share_known(homes: Homes, name: str) -> float:
    if name in homes.categories:
        return float(np.mean([level is not None for level in homes.categories[name]]))
    return float(np.mean(~np.isnan(homes.number(name))))


def _typical(homes: Homes) -> dict[str, FactValue]:
    numbers: dict[str, FactValue] = {
        name: float(np.nanmedian(values))
        for name, values in homes.numbers.items()
        if not np.isnan(values).all()
    }
    categories: dict[str, FactValue] = {
        name: levels[0] for name in homes.categories if (levels := _levels(homes, name))
    }
    return numbers | categories


def _levels(homes: Homes, name: str) -> tuple[str, ...]:
    seen = [level for level in homes.category(name) if level is not None]
    levels, counts = np.unique(np.array(seen, dtype=str), return_counts=True)
    return tuple(str(level) for level in levels[np.argsort(-counts, kind="stable")])


def _good_condition(homes: Homes) -> float | None:
    grade = homes.number("condition_grade")
    return None if np.isnan(grade).all() else float(np.nanquantile(grade, RENOVATED_QUANTILE))


def _range(values: FloatArray) -> tuple[float, float] | None:
    seen = values[~np.isnan(values)]
    if len(seen) == 0:
        return None
    low, high = np.quantile(seen, [0.0005, 0.9995])
    return float(low), float(high)
