"""What of leads may be learned from: no month without its year."""

from __future__ import annotations

import pandas as pd

from hki_ml.learning.lead_features import feature_frame

DAYS_OF_TWO_YEARS = 700


def learnable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the features to learn from: the month only where two years tell it from a trend."""
    features = feature_frame(rows)
    created = rows["created_at"]
    if (created.max() - created.min()).days >= DAYS_OF_TWO_YEARS:
        return features
    return features.drop(columns="time_month")
