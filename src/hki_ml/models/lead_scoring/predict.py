"""The scorer: features to log-odds, and one lead's whole answer in well under a millisecond."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from hki_ml.learning.lead_features import feature_frame, feature_row
from hki_ml.learning.lead_matrix import LeadMatrix
from hki_ml.learning.packed_trees import PackedTrees
from hki_ml.models.lead_scoring.actions import LOTTERIES, as_called, drawn_by_lot, what_if
from hki_ml.models.lead_scoring.answer import LeadScore
from hki_ml.models.lead_scoring.boosters import Recipe
from hki_ml.models.lead_scoring.calibration import Curve, Doubt
from hki_ml.models.lead_scoring.explain import Explainer
from hki_ml.models.lead_scoring.features import RATE, prepared, starting_log_odds
from hki_ml.models.lead_scoring.lean import Lean
from hki_ml.models.lead_scoring.lots import LotEffect
from hki_ml.models.lead_scoring.scale import points_of, recommendation_of

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]

AnyNumber = TypeVar("AnyNumber", float, FloatArray)

FRESH_DAYS = 90.0  # a state this old still speaks for a lead
STALE_HALF_LIFE_DAYS = 180.0


@dataclass(frozen=True, eq=False)
class Scorer:
    """What training learns.

    Attributes
    ----------
    matrix, recipe, trees, lean
        The features as numbers, how the trees were grown, the trees as arrays, and the regression
        that they start from, if they do.
    usual
        Share of leads that close, where it is not known of late.
    curve, level, step
        From the trees' log-odds to calibrated ones, how far the level has moved since, and how far
        one more outcome moves it.
    doubt
        How unsure a calibrated log-odds is.
    typical
        A row of the matrix: the lead that every other is held against.
    expected
        Features of which nearly all leads have a value.
    check
        Rows and what the tree library itself said of them, to be verified at load.
    text
        The trees in the library's own format.
    lots
        What was tried by lot, and its effect.
    note
        Where it comes from, what was tried, how it did in its trial.
    """

    matrix: LeadMatrix
    recipe: Recipe
    trees: PackedTrees
    lean: Lean | None
    text: str
    usual: float
    curve: Curve
    level: float
    step: float
    doubt: Doubt
    typical: FloatArray
    expected: tuple[str, ...]
    check: tuple[FloatArray, FloatArray]
    lots: Mapping[str, LotEffect] = field(default_factory=dict)
    note: Mapping[str, Any] = field(default_factory=dict)

    def lifted(self, name: str, margin: AnyNumber) -> AnyNumber:
        """Return the log-odds after an action, with what lots say of it where it was tried by lot."""
        effect = self.lots.get(name)
        return margin if effect is None else margin + effect.log_odds

    def table(self, states: pd.DataFrame) -> FloatArray:
        """Return the matrix of leads at their ``event_timestamp``."""
        return self.table_of(feature_frame(states))

    def table_of(self, features: pd.DataFrame) -> FloatArray:
        """Return features as the trees see them."""
        return prepared(self.matrix.table(features), self.matrix.names)

    def raw(self, table: FloatArray) -> FloatArray:
        """Return the trees' log-odds, before calibration."""
        return self.start(table) + self.trees.predict(table)

    def start(self, table: FloatArray) -> FloatArray:
        """Return the log-odds that the trees start from."""
        rate = self.rate(table)
        return rate if self.lean is None else rate + self.lean(table)

    def rate(self, table: FloatArray) -> FloatArray:
        """Return the log-odds of how often leads close, as known at each row's moment."""
        return starting_log_odds(
            table, self.matrix.names, usual=self.usual, follows_rate=self.recipe.follows_rate
        )

    def margin(self, table: FloatArray) -> FloatArray:
        """Return calibrated log-odds, shape ``(n,)``."""
        return self.calibrated(self.raw(table))

    def calibrated(self, raw: FloatArray) -> FloatArray:
        """Return calibrated log-odds of the trees' ones, shape as given."""
        return np.asarray(self.curve(raw) + self.level, np.float64)

    def completeness(self, features: pd.DataFrame) -> FloatArray:
        """Return which share of the features that nearly all leads have each row has, shape ``(n,)``."""
        if not self.expected:
            return np.ones(len(features))
        known = features.reindex(columns=list(self.expected)).notna().to_numpy()
        return np.asarray(known.mean(axis=1), np.float64)

    def confidence(self, margin: FloatArray, completeness: FloatArray) -> FloatArray:
        """Return the confidence in each margin, before freshness, shape ``(n,)``."""
        return np.minimum(1 - self.doubt(margin), completeness)


class LeadScorer:
    """A scorer with its version: what answers one question at a time."""

    def __init__(self, scorer: Scorer, *, version: str) -> None:
        self.scorer = scorer
        self.version = version
        self.explainer = Explainer.of(
            scorer.matrix.factors, scorer.typical, scorer.recipe.follows_rate
        )

    @property
    def rate_column(self) -> int | None:
        """The column that trees start from, ``None`` if they start alike."""
        names = self.scorer.matrix.names
        follows = self.scorer.recipe.follows_rate and RATE in names
        return names.index(RATE) if follows else None

    def margin_of(self, states: pd.DataFrame) -> FloatArray:
        """Return the calibrated log-odds of many leads at their ``event_timestamp``.

        Equal to ``answer`` row by row.
        """
        return self.scorer.margin(self.scorer.table(states))

    def gain_of_calls(self, states: pd.DataFrame) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Return by how much a call now changes each P(close), and where that was tried by lot.

        Equal to the actions of ``answer`` row by row, those that change nothing for the better included.
        """
        called, drew = as_called(states, self.scorer.matrix)
        after, before = self.margin_of(called), self.margin_of(states)
        after[drew] = self.scorer.lifted(LOTTERIES[0].name, after[drew])
        return np.asarray(expit(after) - expit(before), np.float64), drew

    def answer(self, state: Mapping[str, Any], *, as_of: datetime) -> LeadScore:
        """Score one lead at a moment, with reasons that add up and what could be done.

        Parameters
        ----------
        state
            Columns of ``tables.LEAD_STATE``; what is not there is unknown.
        as_of
            Aware; activities after it are passed over.
        """
        scorer = self.scorer
        as_of_us = as_of.timestamp() * 1e6
        features = feature_row(state, as_of_us)
        row = prepared(scorer.matrix.row(features), scorer.matrix.names)
        ideas = what_if(state, features, row[0], names=scorer.matrix.names, as_of_us=as_of_us)
        ideas += drawn_by_lot(features, row[0], scorer.matrix)
        rows = np.vstack([row, *(idea.row for idea in ideas)]) if ideas else row
        margins = scorer.margin(rows)
        margin = float(margins[0])
        reasons = self.explainer.explain(scorer, row[0], features)
        probability = 1 / (1 + math.exp(-margin))
        known = [features.get(name) for name in scorer.expected]
        completeness = sum(map(_is_known, known)) / len(known) if known else 1.0
        confidence = min(
            1 - float(scorer.doubt(margins[:1])[0]), completeness, freshness(state, as_of)
        )
        score = points_of(margin)
        actions = [
            idea.told(margin, scorer.lifted(idea.name, float(after)))
            for idea, after in zip(ideas, margins[1:], strict=True)
        ]
        actions = [action for action in actions if action.probability_change > 0]
        return LeadScore(
            probability=probability,
            score=score,
            confidence=confidence,
            recommendation=recommendation_of(score),
            factors=reasons.shares,
            drivers=reasons.drivers,
            actions=tuple(sorted(actions, key=lambda a: -a.probability_change)),
            reference_probability=1 / (1 + math.exp(-reasons.reference)),
            margin=margin,
            completeness=completeness,
        )


def load(folder: Path, version: str) -> LeadScorer:
    """Return the scorer that lies in a folder, verified.

    Raises
    ------
    ArtifactRefused
        If a file is missing or not what the manifest says.
    """
    from hki_ml.models.lead_scoring import artifact

    return LeadScorer(artifact.load(folder), version=version)


def _is_known(value: Any) -> bool:
    return value is not None and value == value  # noqa: PLR0124 - NaN


def freshness(state: Mapping[str, Any], as_of: datetime) -> float:
    """Return 1 for a state of the last 90 days, then half as much every half year."""
    since = state.get("event_timestamp")
    if not isinstance(since, datetime) or since != since:  # noqa: PLR0124 - NaT
        return 1.0
    days = (as_of - since).total_seconds() / 86_400 - FRESH_DAYS
    return float(0.5 ** (max(days, 0.0) / STALE_HALF_LIFE_DAYS))
