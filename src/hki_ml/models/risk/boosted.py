"""The rival: boosted trees on the same columns, as many as earlier rows say of later ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.models.risk.design import design_of
from hki_ml.models.risk.features import FALLING, RISING, table
from hki_ml.models.risk.labels import Labelled

FloatArray = NDArray[np.float64]
SETTINGS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.04, "num_leaves": 7, "min_data_in_leaf": 40,
    "lambda_l2": 10.0, "feature_fraction": 0.6, "verbosity": -1, "deterministic": True,
    "force_row_wise": True,
}  # fmt: skip
MOST_ROUNDS, PATIENCE, TAUGHT_SHARE = 400, 30, 0.75


def boosted(taught: Labelled, later: pd.DataFrame, *, seed: int, threads: int) -> FloatArray:
    """Return the rival's probabilities of loss of later rows, monotone as ours."""
    import lightgbm as lgb

    features = table(taught.rows)
    design = design_of(features, rising=RISING, falling=FALLING)
    columns = design.matrix(features)
    order = np.argsort(taught.rows["event_timestamp"].to_numpy(), kind="stable")
    until = int(TAUGHT_SHARE * len(order))
    settings = SETTINGS | {
        "seed": seed, "num_threads": threads, "monotone_constraints": design.signs,
    }  # fmt: skip
    early, late = (
        lgb.Dataset(columns[part], taught.lost[part]) for part in (order[:until], order[until:])
    )
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    tried = lgb.train(settings, early, MOST_ROUNDS, valid_sets=[late], callbacks=[stop])
    rounds = max(5, int(tried.best_iteration))
    whole = lgb.train(settings, lgb.Dataset(columns, taught.lost), rounds)
    return np.asarray(whole.predict(design.matrix(table(later))), np.float64)
