"""What may be learned from at all: every room of leads refuses the same things, by name, before it learns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import GateRefused
from hki_ml.learning.fairness import groups_of, why_barred
from hki_ml.learning.lead_labels import closing_within, horizon_of
from hki_ml.learning.leaks import Evidence, leaks, self_labels
from hki_ml.learning.matured import microseconds

FloatArray = NDArray[np.float64]

RECORDED_SCORE, OUTCOME_SOURCE = "recorded_score", "outcome_source"
TELLS_THE_TIME = frozenset({"lead_close_rate"})
"""Features whose movement is the calendar's: they cannot know one lead's end."""
AGES = ("landmark_days", "contract_days")


def closings(rows: pd.DataFrame) -> FloatArray:
    """Return of each landmark whether its lead closed within the horizon, NaN where that is not known."""
    closing = closing_within(rows, horizon_of(rows))
    return np.where(closing.matured | rows["outcome"].notna(), closing.closed, np.nan)


def admit(rows: pd.DataFrame, features: pd.DataFrame, truth: FloatArray) -> None:
    """Refuse features that are protected attributes, and ends that are our own predictions.

    Parameters
    ----------
    rows
        Landmarks of leads or of contracts with their state, as known when learning begins, or cases.
    features
        ``lead_features.feature_frame`` of the rows, or some of its columns.
    truth
        1 where it closed, 0 where not, NaN where that is not known, shape ``(n,)``.

    Raises
    ------
    GateRefused
        With a sentence for each.
    """
    _refuse(why_barred(features, groups_of(rows)) + _own(rows, truth))


def admit_table(
    rows: pd.DataFrame, names: Sequence[str], table: FloatArray, truth: FloatArray
) -> None:
    """Refuse features that know the end: the same rows as numbers, shape ``(n, len(names))``.

    Raises
    ------
    GateRefused
        With a sentence for each.
    """
    seen = [at for at, name in enumerate(names) if name not in TELLS_THE_TIME]
    age = next(name for name in AGES if name in rows)
    evidence = Evidence(
        table[:, seen],
        [names[at] for at in seen],
        truth,
        rows["outcome"].isna().to_numpy(),
        rows[age].to_numpy(np.float64),
        microseconds(rows["created_at"]).astype(np.float64),
    )
    _refuse(leaks(evidence))


def coded(features: pd.DataFrame) -> FloatArray:
    """Return features as numbers for ``admit_table``: texts by where they first stood, shape as given."""
    columns = [
        pd.factorize(column)[0].astype(np.float64)
        if column.dtype == object
        else column.to_numpy(np.float64)
        for _, column in features.items()
    ]
    return np.column_stack(columns)


def _refuse(reasons: tuple[str, ...]) -> None:
    if reasons:
        raise GateRefused(reasons)


def _own(rows: pd.DataFrame, truth: FloatArray) -> tuple[str, ...]:
    if OUTCOME_SOURCE not in rows:
        return ()
    said = rows[RECORDED_SCORE] if RECORDED_SCORE in rows else pd.Series(np.nan, rows.index)
    ended = rows["outcome"].notna().to_numpy()
    score = np.asarray(said, np.float64)[ended]
    return self_labels(score, truth[ended], rows[OUTCOME_SOURCE].to_numpy(object)[ended])
