"""Whether hazards are proportional within each stretch of time, as the model takes them to be."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_labels import Ends
from hki_ml.models.time_to_close.cox import FEWEST_EVENTS, Terms, fitted_by_lifelines

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_ROWS = 4_000  # at a hundred thousand rows every departure is "significant", however small
CAUSES = ("closed", "lost")


def schoenfeld(
    covariates: FloatArray, ends: Ends, stratum: IntArray, terms: Terms, names: Sequence[str]
) -> list[dict[str, object]]:
    """Return the test of scaled Schoenfeld residuals against ranked time (Grambsch & Therneau 1994).

    A line a cause and stretch: the covariate that departs most, its p (Bonferroni over covariates),
    and the share of covariates below .01, of which 1 % is chance.
    """
    step = max(len(covariates) // MOST_ROWS, 1)
    part = slice(None, None, step)
    covariates, stratum = covariates[part], stratum[part]
    ends = Ends(ends.days[part], ends.cause[part])
    starts, stops = (0.0, *terms.breaks), (*terms.breaks, np.inf)
    found: list[dict[str, object]] = []
    for cause, said in enumerate(CAUSES):
        for start, stop in zip(starts, stops, strict=True):
            rows = np.flatnonzero(ends.days > start)
            happened = (ends.cause[rows] == cause + 1) & (ends.days[rows] <= stop)
            if happened.sum() < FEWEST_EVENTS:
                continue
            days = np.minimum(ends.days[rows], stop)
            p = _tested(covariates[rows], days, happened, stratum[rows], terms.penalizer)
            worst = int(np.argmin(p))
            found.append(
                {
                    "cause": said, "from_day": start, "events": int(happened.sum()),
                    "worst": names[worst], "p": float(min(p[worst] * len(p), 1.0)),
                    "share_below_01": float(np.mean(p < 0.01)),
                }
            )  # fmt: skip
    return found


def _tested(
    covariates: FloatArray, days: FloatArray, happened: NDArray[np.bool_], stratum: IntArray,
    penalizer: float,
) -> FloatArray:  # fmt: skip
    import pandas as pd
    from lifelines.statistics import proportional_hazard_test

    varying = np.flatnonzero(covariates.std(axis=0) > 1e-6)
    fitter = fitted_by_lifelines(
        covariates[:, varying], days, happened, stratum, penalizer=penalizer
    )
    frame = pd.DataFrame(covariates[:, varying], columns=[f"x{j}" for j in range(len(varying))])
    frame["days"], frame["happened"] = days, happened
    if int(stratum.max()) > int(stratum.min()):
        frame["stratum"] = stratum
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy and pandas changes below lifelines
        tested = proportional_hazard_test(fitter, frame, time_transform="rank")
    p = np.ones(covariates.shape[1])
    p[varying] = np.nan_to_num(np.asarray(tested.p_value, np.float64), nan=1.0)
    return p
