"""Why a lead has its score: each business factor's exact share against one stated typical lead.

A factor's share is its Shapley value in the calibrated log-odds themselves: the whole path, trees and
curve, is asked under every coalition of factors, so the sums hold whatever the curve does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.contributions import coalitions, shapley
from hki_ml.learning.lead_features import FACT_PREFIX, factor_of
from hki_ml.learning.tree_reasons import coalition_sums, groups_of
from hki_ml.models.lead_scoring.answer import Driver
from hki_ml.models.lead_scoring.features import RATE
from hki_ml.models.lead_scoring.lean import summed
from hki_ml.models.lead_scoring.scale import POINTS_PER_LOG_ODDS

if TYPE_CHECKING:
    from hki_ml.models.lead_scoring.predict import Scorer

FloatArray = NDArray[np.float64]

SPOKEN_FACTORS, SPOKEN_FEATURES = 4, 3  # what a person takes in at a glance
SMALLEST_EFFECT = 0.01  # log-odds: less is not worth a word


@dataclass(frozen=True, slots=True)
class Reasons:
    """Drivers, strongest first, the unsigned share of each, and the typical lead's log-odds."""

    drivers: tuple[Driver, ...]
    shares: dict[str, float]
    reference: float


@dataclass(frozen=True, slots=True, eq=False)
class Explainer:
    """What is the same for every lead that is explained.

    Attributes
    ----------
    factors
        Names of the factors; ``group`` is each column's place among them.
    typical
        The typical lead, a row of the matrix.
    weights
        From what each coalition is worth to each factor's Shapley value, ``(factors, 2**factors)``.
    has_rate
        Whether each coalition brings the lead's own starting rate, ``None`` if trees start alike.
    """

    factors: tuple[str, ...]
    group: NDArray[np.int64]
    typical: FloatArray
    weights: FloatArray
    has_rate: NDArray[np.bool_] | None

    @classmethod
    def of(
        cls, factor_of_column: Sequence[str], typical: FloatArray, follows_rate: bool, # noqa: FBT001
    ) -> Explainer:  # fmt: skip
        """Return the explainer of a matrix's columns."""
        factors, group = groups_of(factor_of_column)
        members = coalitions(len(factors))
        weights = np.column_stack([shapley(unit) for unit in np.eye(len(members))])
        rate = factor_of(RATE)
        has_rate = members[:, factors.index(rate)] if follows_rate and rate in factors else None
        return cls(factors, group, typical, weights, has_rate)

    def explain(self, scorer: Scorer, row: FloatArray, features: Mapping[str, Any]) -> Reasons:
        """Return why this row of the matrix has its log-odds, in the words of its features."""
        values, reference = self.values(scorer, row)
        order = np.argsort(-np.abs(values), kind="stable")
        total = float(np.abs(values).sum())
        shares = np.abs(values) / total if total > 0 else np.full(len(values), 1 / len(values))
        behind = self._behind(scorer, row, order[:SPOKEN_FACTORS])
        drivers = tuple(
            _driver(self.factors[i], float(values[i]), spoken(behind.get(int(i), ()), features))
            for i in order
        )
        return Reasons(drivers, {self.factors[i]: float(shares[i]) for i in order}, reference)

    def _behind(
        self, scorer: Scorer, row: FloatArray, factors: NDArray[np.int64]
    ) -> dict[int, tuple[str, ...]]:
        """Return the features of each factor that move the log-odds most when they are typical instead."""
        same = (row == self.typical) | (np.isnan(row) & np.isnan(self.typical))
        columns = np.flatnonzero(np.isin(self.group, factors) & ~same)
        if not len(columns):
            return {}
        changed = np.tile(row, (len(columns) + 1, 1))
        changed[np.arange(len(columns)), columns] = self.typical[columns]
        margin = scorer.margin(changed)
        effect = np.abs(margin[-1] - margin[:-1])
        found: dict[int, tuple[str, ...]] = {}
        for factor in factors:
            mine = np.flatnonzero((self.group[columns] == factor) & (effect > SMALLEST_EFFECT))
            best = mine[np.argsort(-effect[mine], kind="stable")][:SPOKEN_FEATURES]
            found[int(factor)] = tuple(scorer.matrix.names[columns[at]] for at in best)
        return found

    def values(self, scorer: Scorer, row: FloatArray) -> tuple[FloatArray, float]:
        """Return each factor's log-odds, shape ``(factors,)``, and the typical lead's log-odds."""
        sums = coalition_sums(scorer.trees, self.group, (row, self.typical))
        worth = scorer.calibrated(sums + self.starts(scorer, row[None])[0])
        return self.weights @ worth, float(worth[0])

    def starts(self, scorer: Scorer, rows: FloatArray) -> FloatArray:
        """Return where the trees start under each coalition, shape ``(n, 2**factors)``."""
        typical = scorer.rate(self.typical[None])[0]
        out = np.full((len(rows), self.weights.shape[1]), typical)
        if self.has_rate is not None:
            out = np.where(self.has_rate, scorer.rate(rows)[:, None], typical)
        if scorer.lean is None:
            return out
        theirs = scorer.lean.parts(self.typical[None])
        moved = scorer.lean.parts(rows) - theirs
        by_factor = np.zeros((len(rows), len(self.factors)))
        for column, factor in enumerate(self.group):
            by_factor[:, factor] += moved[:, column]
        # Sum by sum and not as a product of matrices, which rounds one row otherwise than many.
        of_coalition: FloatArray = np.zeros((len(rows), 1))
        for factor in range(len(self.factors)):
            of_coalition = np.hstack(
                [of_coalition, of_coalition + by_factor[:, factor : factor + 1]]
            )
        whole: FloatArray = out + (of_coalition + (summed(theirs)[0] + scorer.lean.level))
        return whole


def spoken(names: Sequence[str], features: Mapping[str, Any]) -> str:
    """Return what features say, as a person reads it.

    Examples
    --------
    >>> spoken(["fact_condition", "lead_recency"], {"fact_condition": "fair", "lead_recency": 3.04})
    'condition fair, lead recency 3'
    """
    return ", ".join(f"{_plain(name)} {_said(features.get(name))}" for name in names)


def _plain(name: str) -> str:
    return name.removeprefix(FACT_PREFIX).replace("_", " ")


def _said(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "unknown"
    if isinstance(value, str):
        return value.replace("_", " ")
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def driver_text(log_odds: float, behind: str) -> str:
    """Return what a factor does to the odds, and the features behind it, in words."""
    way = "multiplies" if log_odds >= 0 else "divides"
    times = math.exp(abs(log_odds))
    return f"{behind or 'as a typical lead, or nearly'}: {way} the odds by {times:.2f}"


def _driver(factor: str, log_odds: float, behind: str) -> Driver:
    text = driver_text(log_odds, behind)
    return Driver(factor, log_odds, POINTS_PER_LOG_ODDS * log_odds, text)
