"""What of leads may be learned from: no part of the calendar that was seen too seldom to recur."""

from __future__ import annotations

import pandas as pd

from hki_ml.learning.lead_features import CALENDAR, feature_frame

DAYS_OF_TWO_YEARS = 700
FEWEST_DAYS = 60
"""Days on which leads came, below which weekday and hour stand for the days themselves."""


def learnable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the features to learn from."""
    return feature_frame(rows).drop(columns=list(seen_too_seldom(rows)))


def seen_too_seldom(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the parts of the calendar that say which day it was rather than what days like it bring.

    A month needs two years to be told from a trend. Where leads come in a few batches (one auction a
    year) a weekday is the name of a batch.
    """
    created = rows["created_at"]
    if created.dt.floor("D").nunique() < FEWEST_DAYS:
        return CALENDAR
    return () if (created.max() - created.min()).days >= DAYS_OF_TWO_YEARS else ("time_month",)
