"""The backtest on a table of decided cases: loans, applications; kept or lost, by what was known at first.

Two plain regressions and one of boosted trees stand for choice; forward folds before the cut-off choose.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from hki_ml.errors import NotEnoughData
from hki_ml.metrics.classification import row_log_loss
from hki_ml.metrics.table import Table
from hki_ml.models.risk.design import design_of
from hki_ml.models.risk.evaluate import Backtest, losses_of, rivals
from hki_ml.models.risk.features import table
from hki_ml.models.risk.labels import Labelled, labelled
from hki_ml.models.risk.train import FEWEST, regress, train

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
FOLDS = (0.5, 0.65, 0.8)
YEAR_US = 365.25 * 86_400e6
WHEN = "case_decided_years"
PUBLISHED, TEACHES = "published_", "published_teaches"
TREES: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.04, "num_leaves": 8, "min_data_in_leaf": 25,
    "lambda_l2": 5.0, "feature_fraction": 0.5, "bagging_fraction": 0.7, "bagging_freq": 1,
    "verbosity": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip
ROUNDS, BAGS = 200, 3
PLAIN = "regression, ridge 1"
OURS = "ours"
FEWEST_YEARS = 3
LEGEND = (
    "In time: taught by the cases decided before the cut-off. When a case's end was known is not in such "
    "tables: ends of earlier cases count as known.\nIn brackets the 95 % interval over cases."
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A way to learn: regression or trees, and after how many years a case counts half."""

    is_trees: bool
    ridge: float
    half_years: float

    def __str__(self) -> str:
        """Return its name."""
        kind = "boosted trees" if self.is_trees else f"regression, ridge {self.ridge:g}"
        return kind if np.isinf(self.half_years) else f"{kind}, half-life {self.half_years:g} years"

    def said(
        self, features: pd.DataFrame, lost: FloatArray, teach: BoolArray, asked: BoolArray, seed: int
    ) -> FloatArray:  # fmt: skip
        """Return the probabilities of loss of the rows asked, taught by those that teach."""
        design = design_of(features[teach])
        known, later = design.matrix(features[teach]), design.matrix(features[asked])
        years = features[WHEN].to_numpy()[teach]
        weight = 0.5 ** ((years.max() - years) / self.half_years)
        if self.is_trees:
            return _trees(known, lost[teach], weight, later, seed)
        base, weights = regress(known, lost[teach], design.signs, ridge=self.ridge, count=weight)
        return np.asarray(expit(base + later @ weights), np.float64)


CANDIDATES = (
    Candidate(is_trees=False, ridge=1.0, half_years=np.inf),
    Candidate(is_trees=False, ridge=1.0, half_years=2.0),
    Candidate(is_trees=False, ridge=10.0, half_years=np.inf),
    Candidate(is_trees=True, ridge=0.0, half_years=5.0),
    Candidate(is_trees=True, ridge=0.0, half_years=np.inf),
)


def _trees(
    known: FloatArray, lost: FloatArray, weight: FloatArray, later: FloatArray, seed: int
) -> FloatArray:
    import lightgbm as lgb

    said = np.zeros(len(later))
    for bag in range(BAGS):
        settings = TREES | {"seed": seed + bag, "num_threads": 1}
        data = lgb.Dataset(known, lost, weight=weight)
        said += np.asarray(lgb.train(settings, data, ROUNDS).predict(later), np.float64) / BAGS
    return said


def choose(features: pd.DataFrame, lost: FloatArray, teach: BoolArray, seed: int) -> Candidate:
    """Return the candidate with the lowest log loss on later cases, by forward folds within ``teach``.

    The plainest stays unless another is better by a standard error.
    """
    order = np.flatnonzero(teach)[np.argsort(features[WHEN].to_numpy()[teach], kind="stable")]
    losses: list[list[FloatArray]] = [[] for _ in CANDIDATES]
    for begin, end in pairwise([int(s * len(order)) for s in (*FOLDS, 1.0)]):
        early, late = (np.zeros(len(lost), bool) for _ in range(2))
        early[order[:begin]], late[order[begin:end]] = True, True
        if min(lost[early].sum(), (1 - lost[early]).sum()) < FEWEST:
            continue
        for at, candidate in enumerate(CANDIDATES):
            said = candidate.said(features, lost, early, late, seed)
            losses[at].append(row_log_loss(lost[late], said))
    if not losses[0]:
        return CANDIDATES[0]
    whole = [np.concatenate(each) for each in losses]
    best = int(np.argmin([each.mean() for each in whole]))
    gain = whole[0] - whole[best]
    return CANDIDATES[best if gain.mean() > gain.std() / np.sqrt(len(gain)) else 0]


def backtest(
    rows: pd.DataFrame, *, cutoff: pd.Timestamp, until: pd.Timestamp | None, seed: int, threads: int
) -> Backtest:
    """Train on the cases decided before ``cutoff`` and judge on those in ``[cutoff, until)``.

    Raises
    ------
    NotEnoughData
        If either side has fewer than 30 lost or 30 kept cases.
    """
    del threads
    begun = time.perf_counter()
    known = labelled(rows)
    decided = known.rows["created_at"]
    teach = (decided < cutoff).to_numpy()
    test = ~teach if until is None else ~teach & (decided < until).to_numpy()
    features = table(known.rows)
    years = decided.astype("datetime64[us, UTC]").astype("int64").to_numpy() / YEAR_US
    features = features.assign(**{WHEN: years})
    found = [_judged("cases", known, features, (teach, test), seed)]
    by_year = _year_by_year(known, features, seed)
    found += [] if by_year is None else [by_year]
    if TEACHES in known.rows:
        theirs = known.rows[TEACHES].to_numpy(bool)
        title = "the published split, at random in time: it flatters"
        found.append(_judged(title, known, features, (theirs, ~theirs), seed))
    model = train(
        Labelled(known.rows[teach].reset_index(drop=True), known.lost[teach]),
        as_of=cutoff,
        seed=seed,
    )
    losses = losses_of(_part(known, test), found[0][1])
    tables = tuple(each for each, _ in found)
    return Backtest(tables, time.perf_counter() - begun, model, losses, LEGEND)


def _judged(
    title: str, known: Labelled, features: pd.DataFrame, sides: tuple[BoolArray, BoolArray], seed: int
) -> tuple[Table, FloatArray]:  # fmt: skip
    teach, test = sides
    for side, name in ((teach, "teach"), (test, "test")):
        fewest = min(known.lost[side].sum(), (1 - known.lost[side]).sum())
        if fewest < FEWEST:
            raise NotEnoughData(
                f"expected {FEWEST} cases of both ends to {name}, got {int(fewest)} of one"
            )
    chosen, said = _said(known, features, teach, test, seed)
    ours = said.pop(OURS)
    told = {f"{OURS}: {chosen}": ours, **said}
    return rivals(title, _part(known, test), told, seed=seed), ours


def _said(
    known: Labelled, features: pd.DataFrame, teach: BoolArray, test: BoolArray, seed: int
) -> tuple[Candidate, dict[str, FloatArray]]:
    """Return what was chosen, and what it and its rivals say of the rows to test."""
    chosen = choose(features, known.lost, teach, seed)
    said = {OURS: chosen.said(features, known.lost, teach, test, seed)}
    said[PLAIN] = CANDIDATES[0].said(features, known.lost, teach, test, seed)
    rival = _published(known, teach, test)
    if rival is not None:
        said["published model, refitted"] = rival
    said["base rate"] = np.full(int(test.sum()), known.lost[teach].mean())
    return chosen, said


def _year_by_year(
    known: Labelled, features: pd.DataFrame, seed: int
) -> tuple[Table, FloatArray] | None:
    """Judge each calendar year's cases by the years before it, from the first that can be taught."""
    year = known.rows["created_at"].dt.year.to_numpy()
    parts: list[tuple[BoolArray, dict[str, FloatArray]]] = []
    for each in range(int(year.min()) + 1, int(year.max()) + 1):
        teach, test = year < each, year == each
        if min(known.lost[teach].sum(), (1 - known.lost[teach]).sum()) >= FEWEST and test.any():
            parts.append((test, _said(known, features, teach, test, seed)[1]))
    if len(parts) < FEWEST_YEARS:
        return None
    at = np.concatenate([np.flatnonzero(test) for test, _ in parts])
    said = {name: np.concatenate([each[name] for _, each in parts]) for name in parts[0][1]}
    tested = Labelled(known.rows.iloc[at].reset_index(drop=True), known.lost[at])
    title = "year by year, each taught by the years before"
    return rivals(title, tested, said, seed=seed), said[OURS]


def _published(known: Labelled, teach: BoolArray, test: BoolArray) -> FloatArray | None:
    """Return what the published features say by a plain logistic regression, if there are any."""
    names = [n for n in map(str, known.rows) if n.startswith(PUBLISHED) and n != TEACHES]
    if not names:
        return None
    columns = known.rows[names].fillna(0.0).to_numpy(np.float64)
    base, weights = regress(columns[teach], known.lost[teach], [0] * len(names), ridge=1e-6)
    return np.asarray(expit(base + columns[test] @ weights), np.float64)


def _part(known: Labelled, at: BoolArray) -> Labelled:
    return Labelled(known.rows[at].reset_index(drop=True), known.lost[at])
