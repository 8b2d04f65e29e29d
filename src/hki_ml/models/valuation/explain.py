"""Value drivers: what each group of facts adds to the area's typical home, in USD, by the whole model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.contributions import coalitions, shapley
from hki_ml.models.valuation.answer import Driver, FactValue
from hki_ml.models.valuation.features import View
from hki_ml.models.valuation.predict import Valuer

FACT_GROUPS: Mapping[str, tuple[str, ...]] = {
    "size": ("living_sqft",),
    "lot": ("lot_sqft",),
    "rooms": ("bedrooms", "bathrooms", "stories", "units"),
    "age": ("year_built", "year_renovated"),
    "quality": ("quality_grade", "condition_grade", "view_grade", "is_waterfront"),
    "type_and_other_facts": ("property_type",),
    "location_and_market": ("area", "latitude", "longitude"),
}
GROUPS = tuple(FACT_GROUPS)
_GROUP_OF = {fact: group for group, facts in FACT_GROUPS.items() for fact in facts}
OTHER, PLACE = GROUPS[-2], GROUPS[-1]


def group_of_fact(name: str) -> str:
    """Return the group that a fact belongs to.

    Examples
    --------
    >>> group_of_fact("living_sqft"), group_of_fact("extra_pool")
    ('size', 'type_and_other_facts')
    """
    return _GROUP_OF.get(name, OTHER)


def group_of_column(name: str) -> str:
    """Return the group that a column of the view belongs to.

    A fact's own column goes with the fact. What earlier sales say (of the area, of neighbours, of
    homes like this one) is location and market.
    """
    family, _, fact = name.partition("_")
    if family in {"fact", "worth"} and fact != "area":
        return group_of_fact(fact)
    return PLACE


def drivers(
    valuer: Valuer,
    view: View,
    facts: tuple[Mapping[str, FactValue], Mapping[str, FactValue]],
) -> tuple[float, tuple[Driver, ...]]:
    """Return the typical home's value and what each group adds to it, largest first, in USD.

    Parameters
    ----------
    valuer
        The whole model.
    view
        Two rows: the typical home and the subject, as the members see them.
    facts
        The same two as a person knows them.

    Notes
    -----
    Exact Shapley values over the groups; they sum to the subject's value less the typical one's.
    """
    switched = switch(valuer, view, coalitions(len(GROUPS)))
    blend = valuer.calibration.blend
    members = valuer.core.ensemble.members(switched, weights=blend.weights)
    worth = np.exp(blend.log_value(switched.base, members, switched.level))
    found = [
        Driver(
            group,
            float(amount),
            facts={name: facts[1].get(name) for name in _named(group, facts)},
            typical={name: facts[0].get(name) for name in _named(group, facts)},
        )
        for group, amount in zip(GROUPS, shapley(worth), strict=True)
    ]
    found.sort(key=lambda driver: -abs(driver.amount_usd))
    return float(worth[0]), tuple(found)


def switch(valuer: Valuer, view: View, switched: NDArray[np.bool_]) -> View:
    """Return a view with a row a coalition: what belongs to its groups is the second row's.

    ``view`` has two rows, ``switched`` is of shape (coalitions, groups).
    """
    column_group = np.array([GROUPS.index(group_of_column(name)) for name in view.names])
    table = np.where(switched[:, column_group], view.table[1], view.table[0])
    effects = switched @ _effect_differences(valuer, view)
    total = view.names.index("facts_total")
    table[:, total] = view.table[0, total] + effects
    side = switched[:, GROUPS.index(PLACE)].astype(np.int64)
    # The market's level belongs to the place; the base is that level and what the facts are worth.
    base = view.level[side] + table[:, total]
    return replace(view.take(side), table=table, base=base)


def _named(group: str, facts: Sequence[Mapping[str, FactValue]]) -> list[str]:
    names = {name for side in facts for name, value in side.items() if value is not None}
    return sorted(name for name in names if group_of_fact(name) == group)


def _effect_differences(valuer: Valuer, view: View) -> NDArray[np.float64]:
    """Return how much each group's facts differ in worth (log price), shape (groups,)."""
    out = np.zeros(len(GROUPS))
    hedonic = valuer.core.hedonic
    for name in hedonic.names:
        worth = view.table[:, view.names.index(_column_of(name, hedonic.curves))]
        if name in hedonic.curves:
            worth = hedonic.curves[name](worth)
        out[GROUPS.index(group_of_fact(name))] += float(worth[1] - worth[0])
    return out


def _column_of(name: str, curves: Mapping[str, object]) -> str:
    return f"fact_{name}" if name in curves else f"worth_{name}"
