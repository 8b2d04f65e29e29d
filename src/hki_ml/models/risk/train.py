"""Training: a regression that keeps directions, as stiff as earlier contracts say of later ones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from hki_ml.errors import NotEnoughData
from hki_ml.learning.admission import admit, admit_table, coded
from hki_ml.learning.manifest import fingerprint
from hki_ml.metrics.classification import log_loss
from hki_ml.models.risk.design import design_of
from hki_ml.models.risk.features import FALLING, RISING, table
from hki_ml.models.risk.labels import Labelled, is_of_contracts
from hki_ml.models.risk.predict import RiskAssessor

FloatArray = NDArray[np.float64]

FEWEST = 30  # of either kind
RIDGES: tuple[float, ...] = (3.0, 10.0, 30.0, 100.0)
FOLDS: tuple[float, ...] = (0.55, 0.7, 0.85)
"""Shares of the rows, in order of time, that teach; the rows up to the next one judge."""


def train(taught: Labelled, *, as_of: pd.Timestamp, seed: int) -> RiskAssessor:
    """Return a model trained on rows whose end is known.

    Raises
    ------
    GateRefused
        If a feature is barred or knows the end, or ends are our own predictions; by name.
    NotEnoughData
        If fewer than 30 rows are lost, or fewer are not.
    """
    lost = taught.lost
    if min(lost.sum(), len(lost) - lost.sum()) < FEWEST:
        raise NotEnoughData(
            f"expected {FEWEST} lost and {FEWEST} kept or more, got {int(lost.sum())} and "
            f"{int(len(lost) - lost.sum())}"
        )
    features = table(taught.rows)
    admit(taught.rows, features, 1 - lost)
    if is_of_contracts(
        taught.rows
    ):  # of cases the facts are what their mapping says is known before
        admit_table(taught.rows, [*map(str, features)], coded(features), 1 - lost)
    ridge = choose_ridge(features, taught)
    design = design_of(features, rising=RISING, falling=FALLING)
    columns = design.matrix(features)
    intercept, weights = regress(columns, lost, design.signs, ridge=ridge)
    note = {
        "seed": seed, "as_of": as_of.isoformat(), "rows": len(lost), "ridge": ridge,
        "lost": int(lost.sum()), "data_fingerprint": fingerprint({"columns": columns, "lost": lost}),
    }  # fmt: skip
    typical = float(lost.mean())
    return RiskAssessor(design, intercept, weights, typical, columns.mean(axis=0), note)


def choose_ridge(features: pd.DataFrame, taught: Labelled) -> float:
    """Return the ridge under which earlier rows foretold later ones best."""
    order = np.argsort(taught.rows["event_timestamp"].to_numpy(), kind="stable")
    ends = [int(share * len(order)) for share in (*FOLDS, 1.0)]
    losses = np.zeros(len(RIDGES))
    for teach, judge in pairwise(ends):
        early, late = order[:teach], order[teach:judge]
        if min(taught.lost[early].sum(), (1 - taught.lost[early]).sum()) < FEWEST:
            continue
        design = design_of(features.iloc[early], rising=RISING, falling=FALLING)
        known, later = (design.matrix(features.iloc[part]) for part in (early, late))
        for at, ridge in enumerate(RIDGES):
            base, weights = regress(known, taught.lost[early], design.signs, ridge=ridge)
            losses[at] += log_loss(taught.lost[late], expit(base + later @ weights))
    return RIDGES[int(np.argmin(losses))]


def regress(
    columns: FloatArray, lost: FloatArray, signs: Sequence[int], *, ridge: float,
    count: FloatArray | float = 1.0,
) -> tuple[float, FloatArray]:  # fmt: skip
    """Return intercept and weights of the logistic regression of highest likelihood less its ridge.

    Parameters
    ----------
    signs
        1 where a weight may not be below 0, -1 where it may not be above, else 0.
    ridge
        Nats that half a squared weight costs.
    count
        What each row counts.
    """
    padded = np.column_stack([np.ones(len(columns)), columns])

    def cost(theta: FloatArray) -> tuple[float, FloatArray]:
        said = padded @ theta
        loss = float(np.sum(count * (np.logaddexp(0.0, said) - lost * said)))
        slope = padded.T @ (count * (expit(said) - lost))
        slope[1:] += ridge * theta[1:]
        return loss + 0.5 * ridge * float(theta[1:] @ theta[1:]), slope

    bounds: list[tuple[float | None, float | None]] = [(None, None)]
    bounds += [(0.0 if s > 0 else None, 0.0 if s < 0 else None) for s in signs]
    found = minimize(
        cost, np.zeros(padded.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 2_000},
    ).x  # fmt: skip
    return float(found[0]), np.asarray(found[1:], np.float64)
