"""What a champion says of the rows of each window, beside what it says of those that it knew."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from hki_ml.catalog import room
from hki_ml.models.model import Speaker
from hki_ml.monitoring.check import Check, Rules, unknown
from hki_ml.monitoring.importances import importances, stability
from hki_ml.monitoring.predictions import estimated_performance, prediction_drift
from hki_ml.pipeline.monitor_frames import Seen
from hki_ml.wiring import Backend

FloatArray = NDArray[np.float64]
MOST_ASKED = 4_000  # rows of the reference: enough for its deciles
MOST_SHUFFLED = 500  # rows of a side, each asked once more a column


@dataclass(frozen=True, eq=False)
class Answers:
    """A champion's answers to a model's rows; the reference is asked once, whatever the windows."""

    backend: Backend
    what: Seen
    rules: Rules = field(default_factory=Rules)

    def checks(self, current: pd.DataFrame) -> list[Check]:
        """Return the checks of what the champion says of a window, before it is known what became of it.

        Parameters
        ----------
        current
            Some of ``what.rows``.
        """
        if min(len(current), len(self.what.reference)) < self.rules.least_rows:
            why = f"{len(current)} rows, expected at least {self.rules.least_rows}"
            return [
                unknown("prediction_drift", "prediction", len(current), why),
                stability({}, {}, n=len(current), rules=self.rules),
            ]
        table = self._table(current)
        before, now = self._before, self._speaker.margin(table)
        found = [prediction_drift(before, now, rules=self.rules)]
        if self._speaker.is_odds:
            found.append(estimated_performance(expit(before), expit(now), rules=self.rules))
        leaned = self._leaned(table)
        return [*found, stability(self._leaned_before, leaned, n=len(table), rules=self.rules)]

    @cached_property
    def _speaker(self) -> Speaker:
        with tempfile.TemporaryDirectory() as made:
            folder = self.backend.registry.download(self.what.champion, Path(made) / "champion")
            return room(self.what.model).speaker(folder)

    @cached_property
    def _reference(self) -> pd.DataFrame:
        return self._table(_some(self.what.reference, MOST_ASKED))

    @cached_property
    def _before(self) -> FloatArray:
        return self._speaker.margin(self._reference)

    @cached_property
    def _leaned_before(self) -> dict[str, float]:
        return self._leaned(self._reference)

    def _table(self, rows: pd.DataFrame) -> pd.DataFrame:
        asked = self.what.asked.loc[rows.index].reset_index(drop=True)
        return self._speaker.table(asked)

    def _leaned(self, table: pd.DataFrame) -> dict[str, float]:
        return importances(
            _some(table, MOST_SHUFFLED).reset_index(drop=True),
            self._speaker.names,
            self._speaker.margin,
        )


def _some(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most so many of the rows, drawn the same way every time, in their order."""
    if len(rows) <= most:
        return rows
    at = np.random.default_rng(0).choice(len(rows), most, replace=False)
    return rows.iloc[np.sort(at)]
