"""What a scorer has to beat, trained on the same rows: a logistic regression and plain LightGBM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hki_ml.models.lead_scoring.boosters import Lesson

FloatArray = NDArray[np.float64]


def logistic_regression(lesson: Lesson, asked: FloatArray) -> FloatArray:
    """Return the probabilities of a ridge logistic regression (C = 0.1), shape ``(m,)``.

    Columns are standardised, missing values become the median and a column of their own.
    """
    from sklearn.linear_model import LogisticRegression

    medians = np.array([np.nanmedian(c) if not np.isnan(c).all() else 0.0 for c in lesson.table.T])

    def design(table: FloatArray) -> FloatArray:
        gone = np.isnan(table)
        return np.hstack([np.where(gone, medians, table), gone])

    taught = design(lesson.table)
    mean, deviation = taught.mean(axis=0), taught.std(axis=0)
    kept = deviation > 1e-9
    scaled = (taught[:, kept] - mean[kept]) / deviation[kept]
    model = LogisticRegression(C=0.1, max_iter=300)
    model.fit(scaled, lesson.closed, sample_weight=lesson.weight)
    later = np.clip((design(asked)[:, kept] - mean[kept]) / deviation[kept], -10, 10)
    return np.asarray(model.predict_proba(later)[:, 1], np.float64)


def plain_lightgbm(lesson: Lesson, asked: FloatArray, *, seed: int, threads: int) -> FloatArray:
    """Return the probabilities of LightGBM as it comes: 100 trees of 31 leaves, shape ``(m,)``."""
    import lightgbm

    settings = {
        "objective": "binary", "seed": seed, "num_threads": threads, "verbosity": -1,
        "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    data = lightgbm.Dataset(
        lesson.table, lesson.closed, weight=lesson.weight, params={"verbosity": -1}
    )
    return np.asarray(lightgbm.train(settings, data, 100).predict(asked), np.float64)
