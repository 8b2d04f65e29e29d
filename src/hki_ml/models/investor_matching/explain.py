"""Why a pair has its score: each business factor's exact share against one stated typical pair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.contributions import coalitions, shapley
from hki_ml.learning.tree_reasons import coalition_sums, groups_of
from hki_ml.models.investor_matching.answer import Reason
from hki_ml.models.investor_matching.features import FACTOR_OF, NAMES

if TYPE_CHECKING:
    from hki_ml.models.investor_matching.train import Matcher

FloatArray = NDArray[np.float64]

SPOKEN: dict[str, tuple[tuple[str, str], ...]] = {
    "what they say they buy": (("criteria_area", "area fit {:.2g}"),
                               ("criteria_price_outside", "log price outside their range {:.2f}")),
    "kind of property": (("property_kind_condition", "their kind and this condition {:+.2f}"),),
    "price": (("price_gap_asked", "log of worth over price {:+.2f}"),
              ("price_rate", "answers near this price {:+.2f}")),
    "taste": (("taste_factors", "factor score {:.2f}"),),
    "location": (("area_rate", "answers in this area {:+.2f}"),
                 ("near_distance_km", "{:.1f} km to the nearest they answered to")),
    "how often they answer": (("habit_rate", "log-odds against the usual {:+.2f}"),
                              ("recency_answer_days", "last answer {:.0f} days ago")),
    "offers of late": (("fatigue_7d_count", "{:.0f} offers within 7 days"),),
    "capacity": (("capacity_left", "{:.0f} more deals this month"),),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Explainer:
    """What is the same for every pair that is explained."""

    factors: tuple[str, ...]
    group: NDArray[np.int64]
    weights: FloatArray

    @classmethod
    def of(cls) -> Explainer:
        """Return the explainer of the matrix's columns."""
        factors, group = groups_of([FACTOR_OF[name] for name in NAMES])
        members = coalitions(len(factors))
        weights = np.column_stack([shapley(unit) for unit in np.eye(len(members))])
        return cls(factors, group, weights)

    def explain(self, matcher: Matcher, row: FloatArray) -> tuple[tuple[Reason, ...], float]:
        """Return the reasons, strongest first, and the typical pair's log-odds; they add up."""
        sums = coalition_sums(matcher.trees, self.group, (row, matcher.typical))
        worth = matcher.slope * sums + matcher.intercept
        values = self.weights @ worth
        order = np.argsort(-np.abs(values), kind="stable")
        reasons = tuple(
            Reason(self.factors[i], float(values[i]), _text(self.factors[i], values[i], row))
            for i in order
        )
        return reasons, float(worth[0])


def _text(factor: str, log_odds: float, row: FloatArray) -> str:
    said = []
    for name, form in SPOKEN.get(factor, ()):
        value = row[NAMES.index(name)]
        if not math.isnan(value):
            said.append(form.format(value))
    way = "multiplies" if log_odds >= 0 else "divides"
    behind = ", ".join(said) or "nothing is known of it"
    return f"{behind}: {way} the odds by {math.exp(abs(log_odds)):.2f}"
