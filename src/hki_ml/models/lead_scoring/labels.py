"""The label: closed within the horizon of the scoring moment, and how much each row may teach of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_labels import closing_within, horizon_of

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Labels:
    """What is known of each row's end; each of shape ``(n,)``.

    Attributes
    ----------
    closed
        1 if it is known to have closed within the horizon, else 0.
    weight
        How much the row may teach, 0 to 1; see ``labels``.
    matured
        Whether the whole horizon has passed: only these are judged on.
    """

    closed: FloatArray
    weight: FloatArray
    matured: BoolArray


def labels(rows: pd.DataFrame) -> Labels:
    """Return the labels of rows of ``lead_labels.landmarks``, at their own horizon.

    A matured row counts 1. Of younger rows a closing counts 1, and one that has not closed counts as
    much of a "no" as closings of its age show by then (say .4 where 40 % of the horizon's closings
    come that early): odds of young cohorts are then neither too high (their slow leads left out) nor
    too low (called negative). It is the exposure of a piecewise constant hazard; exact where
    closings are rare.
    """
    horizon = horizon_of(rows)
    closing = closing_within(rows, horizon)
    closed = closing.closed & (rows["ended_known_at"] <= rows["known_until"]).to_numpy()
    age = _days(rows["known_until"] - rows["event_timestamp"])
    took = _days(rows["ended_at"] - rows["event_timestamp"])
    weight = np.where(closing.matured | closed, 1.0, _shown_by(age, took, closed, horizon))
    return Labels(closed.astype(np.float64), weight, closing.matured)


def _shown_by(age: FloatArray, took: FloatArray, closed: BoolArray, horizon: float) -> FloatArray:
    """Return which share of the horizon's closings shows by each age (Kaplan-Meier), shape ``(n,)``.

    A lost lead stays at risk to its age: it will not close any more, but its cohort is as old as it is.
    """
    moments = np.unique(took[closed])
    if not len(moments):
        return np.zeros(len(age))
    at_risk = len(age) - np.searchsorted(np.sort(age), moments, side="left")
    events = np.searchsorted(np.sort(took[closed]), moments, side="right")
    hazard = np.diff(np.concatenate([[0], events])) / np.maximum(at_risk, 1)
    shown = np.concatenate([[0.0], 1 - np.cumprod(1 - np.minimum(hazard, 1.0))])
    found = shown[np.searchsorted(moments, np.clip(age, 0.0, horizon), side="right")]
    return np.asarray(found / shown[-1], np.float64)


def _days(span: pd.Series) -> FloatArray:
    return np.asarray(span.dt.total_seconds().to_numpy() / 86_400, np.float64)
