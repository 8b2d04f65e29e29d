"""What was tried by lot, and its effect: learned apart from the trees.

Trees look for what foretells, and leave out what helps a little: a quick call that lifts a tenth by three
points is worth much and foretells nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from hki_ml.learning.lead_features import FACT_PREFIX
from hki_ml.models.lead_scoring.actions import LOTTERIES

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
FEWEST_EACH = 300  # rows of either arm, below which nothing is said
PRIOR_SD = 0.5  # log-odds: effects beyond 1 are not seen in follow-up trials
STEPS = 50


@dataclass(frozen=True, slots=True)
class LotEffect:
    """By how much log-odds rise with the better arm, beyond what the trees say of it, and the error."""

    log_odds: float
    standard_error: float
    rows: int


def effect_of(margin: FloatArray, closed: FloatArray, better: BoolArray) -> LotEffect | None:
    """Return the effect of the better arm among rows that drew lots, each of shape ``(n,)``.

    A logistic regression with the scorer's log-odds as offset, shrunk towards no effect; chance made the arms
    alike, so that nothing else has to be known. ``None`` with fewer than 300 rows of either arm.
    """
    if min(better.sum(), (~better).sum()) < FEWEST_EACH:
        return None
    design = np.column_stack([np.ones(len(margin)), better])
    ridge = np.diag([0.0, PRIOR_SD**-2])
    theta = np.zeros(2)
    for _ in range(STEPS):
        said = expit(margin + design @ theta)
        slope = design.T @ (closed - said) - ridge @ theta
        curve = (design * (said * (1 - said))[:, None]).T @ design + ridge
        change = np.linalg.solve(curve, slope)
        theta += change
        if np.abs(change).max() < 1e-10:
            break
    error = float(np.sqrt(np.linalg.inv(curve)[1, 1]))
    return LotEffect(float(theta[1]), error, len(margin))


def effects(features: pd.DataFrame, margin: FloatArray, closed: FloatArray) -> dict[str, LotEffect]:
    """Return the effect of each lottery of the catalogue, by its action's name.

    ``features`` of rows whose end is known, with the scorer's log-odds of each and whether it closed.
    """
    found = {}
    for lottery in LOTTERIES:
        column = FACT_PREFIX + lottery.fact
        if column not in features:
            continue
        arm = features[column].astype(object).to_numpy()
        drew = np.isin(arm, [lottery.drew, lottery.better])
        drew &= features["history_age_days"].to_numpy(np.float64) <= lottery.until_days
        effect = effect_of(margin[drew], closed[drew], arm[drew] == lottery.better)
        if effect is not None:
            found[lottery.name] = effect
    return found
