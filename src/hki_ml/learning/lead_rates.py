"""From what of a lead a model of time may learn: rates that are fresh, and no month without its year."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import ends, horizon_of

MOST_CLOSED = 2 / 3
SHORTEST_RATE_DAYS = 7.0
DAYS_OF_TWO_YEARS = 700


def rate_days(rows: pd.DataFrame) -> float:
    """Return the days after which a lead counts in the rates of categories: most that close have by then.

    The full horizon would leave out the latest leads, and where most close early nothing is gained.
    """
    found = ends(rows)
    closing = found.days[found.cause == 1]
    if len(closing) == 0:
        return horizon_of(rows)
    most = float(np.ceil(np.quantile(closing, MOST_CLOSED)))
    return float(min(max(most, SHORTEST_RATE_DAYS), max(horizon_of(rows), SHORTEST_RATE_DAYS)))


def learnable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the features to learn from: the month only where two years tell it from a trend."""
    features = feature_frame(rows)
    created = rows["created_at"]
    if (created.max() - created.min()).days >= DAYS_OF_TWO_YEARS:
        return features
    return features.drop(columns="time_month")
