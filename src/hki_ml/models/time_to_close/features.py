"""What the hazards are made of: the shared matrix of lead features, its covariates, its strata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_features import feature_frame, feature_row
from hki_ml.learning.lead_matrix import LeadMatrix
from hki_ml.models.time_to_close.design import Design

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
STAGE = "history_stage"


@dataclass(frozen=True, slots=True, eq=False)
class Lens:
    """From states of leads to covariates and strata.

    Attributes
    ----------
    merged
        Stratum of each stage, shape ``(stages,)``.
    """

    matrix: LeadMatrix
    design: Design
    merged: IntArray

    def of_frame(self, rows: pd.DataFrame) -> tuple[FloatArray, IntArray]:
        """Return covariates and stratum of leads at their ``event_timestamp``."""
        table = self.matrix.table(feature_frame(rows))
        return self.design.of(table), self.strata(table)

    def of_state(self, state: Mapping[str, Any], as_of_us: float) -> tuple[FloatArray, IntArray]:
        """Return covariates and stratum of one lead at a moment, a row each."""
        table = self.matrix.row(feature_row(state, as_of_us))
        return self.design.of(table), self.strata(table)

    def strata(self, table: FloatArray) -> IntArray:
        """Return the stratum of each row of the matrix."""
        stage = np.nan_to_num(table[:, self.matrix.names.index(STAGE)])
        return self.merged[np.clip(stage.astype(np.int64), 0, len(self.merged) - 1)]
