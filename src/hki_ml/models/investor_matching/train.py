"""Training: offers and what came of them to a matcher, calibrated on the latest of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.packed_trees import PackedTrees, pack_lightgbm
from hki_ml.models.investor_matching.factors import Factors
from hki_ml.models.investor_matching.features import DIRECTIONS, NAMES, Habits, fit_habits
from hki_ml.models.investor_matching.table import (
    Offers,
    factors_before,
    matrix,
    offers_of,
    taste_out_of_time,
)

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FEWEST_POSITIVE = 50
LATE_SHARE = 0.2  # of the matured offers, the latest: they choose the number of trees and calibrate
ROUNDS = (60, 100, 150, 220, 300)
PARAMS: dict[str, Any] = {
    "objective": "binary", "num_leaves": 15, "learning_rate": 0.05, "min_child_samples": 40,
    "feature_fraction": 0.6, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5.0,
    "deterministic": True, "force_row_wise": True, "verbose": -1,
}  # fmt: skip
CHECKED = 256


@dataclass(frozen=True, eq=False)
class Matcher:
    """What training learns.

    Attributes
    ----------
    trees, slope, intercept
        Log-odds of a positive answer are ``slope · trees + intercept``.
    typical
        A row of the matrix that every reason is held against.
    check
        Rows and what the tree library itself said of them.
    text
        The trees in the library's own format.
    """

    factors: Factors
    habits: Habits
    trees: PackedTrees
    slope: float
    intercept: float
    typical: FloatArray
    check: tuple[FloatArray, FloatArray]
    text: str
    note: dict[str, Any] = field(default_factory=dict)

    def margin(self, table: FloatArray) -> FloatArray:
        """Return calibrated log-odds, shape ``(n,)``."""
        return np.asarray(self.slope * self.trees.predict(table) + self.intercept, np.float64)


def train(frame: pd.DataFrame, *, as_of: pd.Timestamp, seed: int = 0, threads: int = 1) -> Matcher:
    """Train on the offers of before ``as_of``, by what was received by then.

    Raises
    ------
    NotEnoughData
        With fewer than 50 positive answers, or none that was not positive.
    """
    what = offers_of(frame[frame["event_timestamp"] < as_of], known_until=as_of)
    matured = np.flatnonzero(what.found.matured)
    positives = int(what.found.positive[matured].sum())
    if positives < FEWEST_POSITIVE or positives == len(matured):
        raise NotEnoughData(
            f"expected at least {FEWEST_POSITIVE} positive answers and offers without one before "
            f"{as_of:%Y-%m-%d}, got {positives} of {len(matured)} offers"
        )
    return _learn(what, matured, as_of=as_of, seed=seed, threads=threads)


def _learn(
    what: Offers, matured: IntArray, *, as_of: pd.Timestamp, seed: int, threads: int
) -> Matcher:
    truth = what.found.positive[matured]
    habits = fit_habits(what.pool.kind[what.row[matured]], what.deals, what.of_deal[matured], truth)
    taste = taste_out_of_time(what, seed=seed)
    table = matrix(what, matured, habits, taste[matured])
    params = PARAMS | {"seed": seed, "num_threads": threads}
    late = int(len(matured) * (1 - LATE_SHARE))
    early = grow(table[:late], truth[:late], params, max(ROUNDS), DIRECTIONS)
    rounds, slope, intercept = _calibrated(pack_lightgbm(early), table[late:], truth[late:])
    booster = grow(table, truth, params, rounds, DIRECTIONS)
    trees = pack_lightgbm(booster)
    rows = table[np.linspace(0, len(table) - 1, min(CHECKED, len(table))).astype(int)]
    with np.errstate(all="ignore"):
        typical = np.array([_median(column) for column in table.T])
    note = {
        "as_of": as_of.isoformat(), "seed": seed, "offers": len(matured),
        "positive": int(truth.sum()), "rounds": rounds, "investors": len(np.unique(what.who)),
    }  # fmt: skip
    native = np.asarray(booster.predict(rows, raw_score=True, num_threads=1), np.float64)
    final = factors_before(what, as_of.timestamp(), seed=seed)
    return Matcher(
        final, habits, trees, slope, intercept, typical, (rows, native), booster.model_to_string(),
        note,
    )  # fmt: skip


def _median(column: FloatArray) -> float:
    known = column[~np.isnan(column)]
    return float(np.median(known)) if len(known) else float("nan")


def grow(
    table: FloatArray, truth: FloatArray, params: dict[str, Any], rounds: int,
    directions: NDArray[np.int64] | None,
) -> Any:  # fmt: skip
    """Return a LightGBM booster of plain log-odds, monotone where directions say so."""
    import lightgbm

    if directions is not None:
        params = params | {"monotone_constraints": directions.tolist()}
    data = lightgbm.Dataset(table, truth, feature_name=list(NAMES) if table.shape[1] == len(NAMES)
                            else "auto")  # fmt: skip
    return lightgbm.train(params, data, rounds)


def _calibrated(
    trees: PackedTrees, table: FloatArray, truth: FloatArray
) -> tuple[int, float, float]:
    """Return the number of trees with the least log loss on later offers, and its calibration."""
    from scipy.optimize import minimize

    best = (np.inf, ROUNDS[0], 1.0, 0.0)
    for rounds in ROUNDS:
        raw = trees.first(rounds).predict(table)

        def loss(by: FloatArray, raw: FloatArray = raw) -> float:
            margin = by[0] * raw + by[1]
            return float(np.mean(np.logaddexp(0.0, margin) - truth * margin))

        found = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead")
        if found.fun < best[0] - 1e-5:
            best = (float(found.fun), rounds, float(found.x[0]), float(found.x[1]))
    return best[1], max(best[2], 0.05), best[3]
