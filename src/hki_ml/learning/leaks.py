"""Features that know the end, and labels that are our own predictions: found before anything is learned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.metrics.classification import auc

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

UNBELIEVABLE = 0.95  # one feature alone
SUSPICIOUS = 0.80  # from here on one feature is held against all others together
AHEAD_OF_ALL = 0.02
KNOWN_GAP = 0.60  # of the shares of ended and of open leads, one age, of which a fact is known
FEWEST = 100
_CELLS = 20

RULE = 0.98  # share of a source's outcomes that one threshold on our own scores foretells
FEWEST_LABELS = 30
OWN = frozenset({
    "prediction", "predictions", "predicted", "predictor", "model", "models", "scorer", "scoring",
})  # fmt: skip
"""Words of a source's name that say it is us: what we said is never what came true."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Rows with a known end, and rows of leads that are open.

    Attributes
    ----------
    table, names
        A matrix of leads (``learning.lead_matrix``), shape ``(n, columns)``.
    closed
        1, 0, or NaN where the end is not known, shape ``(n,)``.
    is_open
        Whether the lead is open to this day.
    age
        Days from the lead's arrival to the row's moment: rows are compared with rows of their age.
    created
        When each lead came, as a number: what is tried on later leads was learned on earlier ones.
    """

    table: FloatArray
    names: Sequence[str]
    closed: FloatArray
    is_open: BoolArray
    age: FloatArray
    created: FloatArray


def leaks(evidence: Evidence, *, seed: int = 0) -> tuple[str, ...]:
    """Return a sentence a feature that knows the end.

    Three signs. It is known of leads that ended and not of open ones of the same age: it came with the
    end. It alone tells closings with an AUC of .95. It alone tells them with .80, and better than all
    other features together: whatever a lead does or is, nobody can know its end that well.
    """
    found = []
    young = evidence.age == evidence.age.min()
    for at, name in enumerate(evidence.names):
        gap = _known_gap(evidence, at)
        if gap is not None:
            found.append(f"feature {name!r} leaks: {gap}")
            continue
        alone = _alone(evidence, at, young)
        if alone >= UNBELIEVABLE:
            found.append(
                f"feature {name!r} leaks: alone it tells closings with an AUC of {alone:.3f}, "
                f"expected below {UNBELIEVABLE}"
            )
        elif alone >= SUSPICIOUS:
            others = _others(evidence, at, young, seed)
            if alone > others + AHEAD_OF_ALL:
                found.append(
                    f"feature {name!r} leaks: alone it tells closings with an AUC of {alone:.3f}, "
                    f"all others together with {others:.3f}"
                )
    return tuple(found)


def _known_gap(evidence: Evidence, at: int) -> str | None:
    """Return what is wrong with when a feature is known, judged age by age."""
    known = ~np.isnan(evidence.table[:, at])
    if known.all() or not known.any():
        return None
    has_ended = ~np.isnan(evidence.closed)
    sides = {
        "leads that ended against open ones": (has_ended & ~evidence.is_open, evidence.is_open),
        "closings against the rest": (evidence.closed == 1, evidence.closed == 0),
    }
    for what, (one, other) in sides.items():
        for age in np.unique(evidence.age):
            here = evidence.age == age
            if min((one & here).sum(), (other & here).sum()) < FEWEST:
                continue
            shares = known[one & here].mean(), known[other & here].mean()
            if abs(shares[0] - shares[1]) > KNOWN_GAP and min(shares) < 0.05:
                return (
                    f"at an age of {age:g} days it is known of {shares[0]:.0%} and {shares[1]:.0%} "
                    f"({what})"
                )
    return None


def _halves(evidence: Evidence, young: BoolArray) -> tuple[BoolArray, BoolArray] | None:
    known = young & ~np.isnan(evidence.closed)
    if known.sum() < 2 * FEWEST:
        return None
    cut = np.median(evidence.created[known])
    halves = known & (evidence.created < cut), known & (evidence.created >= cut)
    for half in halves:
        if half.sum() < FEWEST or len(np.unique(evidence.closed[half])) < 2:
            return None
    return halves


def _alone(evidence: Evidence, at: int, young: BoolArray) -> float:
    """Return how well one feature's cells, learned on earlier leads, tell closings of later ones."""
    halves = _halves(evidence, young)
    if halves is None:
        return 0.5
    taught, judged = halves
    value, closed = evidence.table[:, at], evidence.closed
    seen = value[taught & ~np.isnan(value)]
    if not len(seen):
        return 0.5
    edges = np.unique(np.quantile(seen, np.linspace(0, 1, _CELLS + 1)[1:-1]))
    cell = np.where(np.isnan(value), len(edges) + 1, np.searchsorted(edges, value, side="right"))
    count = np.bincount(cell[taught], minlength=len(edges) + 2)
    hits = np.bincount(cell[taught], closed[taught], minlength=len(edges) + 2)
    rate = (hits + 5 * closed[taught].mean()) / (count + 5)
    return auc(closed[judged], rate[cell[judged]])


def _others(evidence: Evidence, at: int, young: BoolArray, seed: int) -> float:
    """Return how well all other features together do, learned and judged on the same leads."""
    import lightgbm

    halves = _halves(evidence, young)
    if halves is None:
        return 1.0
    taught, judged = halves
    table = np.delete(evidence.table, at, axis=1)
    settings = {
        "objective": "binary", "num_leaves": 8, "learning_rate": 0.1, "lambda_l2": 10.0,
        "seed": seed, "num_threads": 1, "verbosity": -1, "deterministic": True,
        "force_row_wise": True,
    }  # fmt: skip
    data = lightgbm.Dataset(table[taught], evidence.closed[taught], params={"verbosity": -1})
    booster = lightgbm.train(settings, data, 60)
    return auc(evidence.closed[judged], np.asarray(booster.predict(table[judged]), np.float64))


def self_labels(
    scores: FloatArray, outcomes: NDArray[Any], outcome_source: NDArray[Any]
) -> tuple[str, ...]:
    """Return a sentence a source whose outcomes are our own predictions.

    By its name, or because one threshold on the scores that we had recorded foretells nearly all of
    at least 30 outcomes with both kinds among them: the world is not that tidy.

    Parameters
    ----------
    scores
        What we had said of each lead before (any rising scale), NaN where nothing.
    outcomes
        1 for closed, 0 for not, NaN where not known, shape ``(n,)``.
    outcome_source
        Where each outcome came from, text or ``None``.
    """
    found = []
    sources = np.array(["" if s is None or s != s else str(s) for s in outcome_source], object)  # noqa: PLR0124
    for source in sorted(set(sources)):
        if OWN.intersection(re.split(r"[^a-z]+", source.lower())):
            found.append(f"outcomes of source {source!r} are refused: it names our own predictions")
            continue
        truth = np.asarray(outcomes, np.float64)
        rows = (sources == source) & ~np.isnan(scores) & ~np.isnan(truth)
        agreed = _best_threshold(scores[rows], truth[rows])
        if agreed >= RULE:
            found.append(
                f"outcomes of source {source!r} are refused: one threshold on our own scores foretells "
                f"{agreed:.1%} of {int(rows.sum())}, expected below {RULE:.0%}"
            )
    return tuple(found)


def _best_threshold(score: FloatArray, truth: FloatArray) -> float:
    """Return the best share of either kind that one threshold gets right, kinds counted alike."""
    closed = truth.sum()
    other = len(truth) - closed
    if len(truth) < FEWEST_LABELS or min(closed, other) < 5:
        return 0.0
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, [True])
    hits, misses = np.cumsum(truth[order]), np.cumsum(1 - truth[order])
    balanced = 0.5 * (hits / closed + 1 - misses / other)
    return float(np.max(balanced[last]))
