"""The level of hazards as they are served: as many ends foretold as there were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_labels import Ends
from hki_ml.metrics.survival import aalen_johansen
from hki_ml.models.time_to_close.cox import CAUSES, Cox

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_ROWS = 20_000
STEPS = 12  # of a fixed point that closes in by itself
FURTHEST = 10.0  # a level is moved by at most this factor a step


def levelled(cox: Cox, covariates: FloatArray, stratum: IntArray, ends: Ends) -> Cox:
    """Return the model with each cause's baseline scaled so that on average it foretells what happened.

    A category's rate is learned by what was known before each row, hardly anything for the first; it is
    served as known at the end. Effects stretch over rates that differ more, and the level goes with it.
    Set to the incidence of Aalen and Johansen by the day up to which leads were followed.

    Parameters
    ----------
    covariates
        Of the rows that taught, as they would be served now.
    """
    some = np.linspace(0, len(stratum) - 1, min(len(stratum), MOST_ROWS)).astype(np.int64)
    day = [cox.reach_days]
    happened = np.array([
        aalen_johansen(ends.days, np.where(ends.cause > 0, 1 + (ends.cause != c), 0)).at(np.array(day))[0]
        for c in range(1, CAUSES + 1)
    ])  # fmt: skip
    for _ in range(STEPS):
        curves = cox.incidences(covariates[some], stratum[some])
        foretold = np.array([float(cox.at(curve, day).mean()) for curve in curves])
        usable = (happened > 0) & (foretold > 0)
        factor = np.where(usable, happened / np.maximum(foretold, 1e-12), 1.0)
        factor = np.clip(factor, 1 / FURTHEST, FURTHEST)
        cox = replace(cox, baseline=cox.baseline * factor[None, :, None])
    return cox
