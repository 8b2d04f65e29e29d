"""When each lead ended, seen from its landmark, and until when that can be judged."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hki_ml.errors import NotEnoughData
from hki_ml.learning.lead_labels import Ends, ends

FEWEST_CLOSINGS = 30
LONGEST_DAYS = 180.0
WELL_FOLLOWED = 0.25  # of the rows must be followed as long as is judged


def residual(rows: pd.DataFrame) -> Ends:
    """Return the time from each landmark to its lead's end; 0 still open, 1 closed, 2 lost.

    Raises
    ------
    NotEnoughData
        If fewer than 30 rows close.
    """
    found = ends(rows)
    closings = int((found.cause == 1).sum())
    if closings < FEWEST_CLOSINGS:
        raise NotEnoughData(f"expected {FEWEST_CLOSINGS} closings or more, got {closings}")
    return found


def judged_days(rows: pd.DataFrame) -> float:
    """Return up to which day curves can be judged on these rows: 180, or as a quarter was followed."""
    followed = (rows["known_until"] - rows["event_timestamp"]).dt.total_seconds() / 86_400
    return float(np.clip(followed.quantile(1 - WELL_FOLLOWED), 1.0, LONGEST_DAYS))
