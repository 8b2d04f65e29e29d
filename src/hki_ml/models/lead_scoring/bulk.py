"""Many leads' scores with their reasons at once: what ``LeadScorer.answer`` says, number by number."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.tree_reasons import coalition_tables, one_column_typical
from hki_ml.models.lead_scoring.explain import (
    SMALLEST_EFFECT,
    SPOKEN_FEATURES,
    driver_text,
    spoken,
)
from hki_ml.models.lead_scoring.predict import LeadScorer, freshness
from hki_ml.models.lead_scoring.scale import recommendation_of, scores_of

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
REASONS = 3
"""How many factors are put into words; ``answer`` puts all, in the same ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Bulk:
    """What the room says about ``n`` leads.

    Attributes
    ----------
    log_odds
        Of each of ``factors``, shape ``(n, factors)``; with ``reference`` they add up to ``margin``.
    order
        Factors of each lead, strongest first, shape ``(n, factors)``.
    texts
        Of the strongest three.
    """

    margin: FloatArray
    probability: FloatArray
    score: FloatArray
    confidence: FloatArray
    recommendation: list[str]
    factors: tuple[str, ...]
    log_odds: FloatArray
    order: IntArray
    texts: list[tuple[str, ...]]
    reference_probability: FloatArray


def score_all(
    scorer: LeadScorer, states: pd.DataFrame, *, as_of: datetime, seen_at: Sequence[datetime | None]
) -> Bulk:
    """Score many leads at one moment, shape ``(n,)`` each.

    Parameters
    ----------
    states
        Columns of ``tables.LEAD_STATE``; facts must not be a number for one lead and text for another
        (`are_alike` tells).
    seen_at
        When each state was made.
    """
    import pandas as pd

    room = scorer.scorer
    features = feature_frame(states.assign(event_timestamp=pd.Timestamp(as_of)))
    rows = room.table_of(features)
    margin = room.margin(rows)
    log_odds, reference = _values(scorer, rows)
    order = np.argsort(-np.abs(log_odds), axis=1, kind="stable")
    completeness = room.completeness(features)
    fresh = np.array([freshness({"event_timestamp": each}, as_of) for each in seen_at])
    score = scores_of(margin)
    return Bulk(
        margin=margin,
        probability=_probabilities(margin),
        score=score,
        confidence=np.minimum(np.minimum(1 - room.doubt(margin), completeness), fresh),
        recommendation=[recommendation_of(each) for each in score.tolist()],
        factors=scorer.explainer.factors,
        log_odds=log_odds,
        order=order,
        texts=_texts(scorer, rows, features, (order, log_odds, margin)),
        reference_probability=_probabilities(reference),
    )


def are_alike(facts: Sequence[Any]) -> NDArray[np.bool_]:
    """Return which leads may be scored together: no fact of theirs is a number here and text there.

    Such a fact is text for all in a column, but a number in a lead's own answer.

    >>> are_alike(['{"a": 1}', '{"a": "x", "b": 2}', '{"b": 3}', None]).tolist()
    [False, False, True, True]
    """
    rows = [json.loads(text) if isinstance(text, str) and text else {} for text in facts]
    said: dict[str, set[bool]] = {}
    for row in rows:
        for name, value in row.items():
            if value is not None:
                said.setdefault(name, set()).add(isinstance(value, str))
    mixed = {name for name, kinds in said.items() if len(kinds) > 1}
    return np.array([not mixed & row.keys() for row in rows], bool)


def _values(scorer: LeadScorer, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return each factor's log-odds, and the typical lead's as each lead meets it."""
    room, explainer = scorer.scorer, scorer.explainer
    sums = coalition_tables(room.trees, explainer.group, rows, explainer.typical)
    worth = room.calibrated(sums + explainer.starts(room, rows))
    # One product a lead, as in an answer: a product of whole matrices rounds otherwise.
    values = [explainer.weights @ each for each in worth]
    return np.array(values).reshape(len(rows), len(explainer.factors)), worth[:, 0]


def _texts(
    scorer: LeadScorer, rows: FloatArray, features: pd.DataFrame,
    found: tuple[IntArray, FloatArray, FloatArray],
) -> list[tuple[str, ...]]:  # fmt: skip
    order, log_odds, margin = found
    best = order[:, :REASONS]
    effect = _effects(scorer, rows, best, margin)
    ranked = np.argsort(-np.nan_to_num(effect, nan=-1.0), axis=1, kind="stable")
    counts = effect > SMALLEST_EFFECT
    names = scorer.scorer.matrix.names
    group = scorer.explainer.group
    said = {name: features[name].tolist() for name in names if name in features}
    texts: list[tuple[str, ...]] = []
    for i in range(len(rows)):
        behind: dict[int, list[str]] = {int(factor): [] for factor in best[i]}
        for c in ranked[i]:
            if not counts[i, c]:
                break
            mine = behind[int(group[c])]
            if len(mine) < SPOKEN_FEATURES:
                mine.append(names[c])
        texts.append(
            tuple(
                driver_text(float(log_odds[i, factor]), spoken(told, _Row(said, i)))
                for factor, told in behind.items()
            )
        )
    return texts


def _effects(
    scorer: LeadScorer, rows: FloatArray, best: IntArray, margin: FloatArray
) -> FloatArray:
    """Return how far the log-odds move when a column of the best factors is typical instead, else NaN."""
    room, explainer = scorer.scorer, scorer.explainer
    typical = explainer.typical
    same = (rows == typical) | (np.isnan(rows) & np.isnan(typical))
    asked = (explainer.group[None, None, :] == best[:, :, None]).any(axis=1) & ~same
    sums = one_column_typical(room.trees, rows, typical, asked)
    lead, column = np.nonzero(asked)
    start = room.start(rows)[lead]
    rate = scorer.rate_column
    if rate is not None:
        moved = room.rate(typical[None])[0] - room.rate(rows)[lead]
        start = start + np.where(column == rate, moved, 0.0)
    if room.lean is not None:
        parts, theirs = room.lean.parts(rows), room.lean.parts(typical[None])[0]
        start = start + theirs[column] - parts[lead, column]
    effect = np.full(rows.shape, np.nan)
    effect[lead, column] = np.abs(margin[lead] - room.calibrated(start + sums[lead, column]))
    return effect


@dataclass(frozen=True, slots=True)
class _Row(Mapping[str, Any]):
    """One row of columns, read as a mapping."""

    columns: Mapping[str, list[Any]]
    at: int

    def __getitem__(self, name: str) -> Any:
        return self.columns[name][self.at]

    def __iter__(self) -> Any:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)


def _probabilities(margin: FloatArray) -> FloatArray:
    """Return probabilities by the same exponential as an answer's: numpy's differs in the last digit."""
    return np.array([1 / (1 + math.exp(-each)) for each in margin.tolist()])
