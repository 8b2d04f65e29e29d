"""From a lead's state to its odds by horizon: packed trees, no tree library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_features import feature_frame, feature_row
from hki_ml.learning.lead_matrix import LeadMatrix
from hki_ml.learning.packed_trees import PackedTrees
from hki_ml.models.conversion.answer import ConversionAnswer
from hki_ml.models.conversion.explain import WITHIN_DAYS, Ladder
from hki_ml.models.conversion.features import STAGE, every_period
from hki_ml.models.conversion.labels import EDGES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ENDINGS = 3  # open, closed, lost: the classes of the trees
HORIZONS: tuple[int, ...] = (14, 30, 60, 90, 180)
LEAST, MOST = 1e-9, 1 - 1e-9
_CHUNK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Conversion:
    """A trained model; ``note`` says how it was trained and goes into the manifest.

    Attributes
    ----------
    trees
        One a kind of ending, for the raw scores of a softmax.
    last_period
        The last one learned from; later ones have its hazard a day.
    booster_text
        LightGBM's own format, for whoever wants to read it; not used to predict.
    """

    matrix: LeadMatrix
    trees: tuple[PackedTrees, ...]
    last_period: int
    ladder: Ladder
    booster_text: str
    note: Mapping[str, object]
    version: str = ""

    def answer(
        self, state: Mapping[str, Any], *, as_of: datetime, close_90: float | None = None,
        horizons: Sequence[int] = HORIZONS,
    ) -> ConversionAnswer:  # fmt: skip
        """Return how likely a lead closes by each horizon, and through which stages.

        Parameters
        ----------
        state
            A row of ``tables.LEAD_STATE``.
        close_90
            Probability of closing within 90 days to be met: the odds of the whole curve are moved by
            one factor.
        """
        table = self.matrix.row(feature_row(state, as_of.timestamp() * 1e6))
        closed = self.closed(table)
        if close_90 is not None:
            closed = tilted(closed, np.array([close_90]))
        days = [*map(float, horizons), WITHIN_DAYS]
        said = at_days(closed, np.array(days))[0]
        stage = int(self.stages(table)[0])
        told = tuple((int(day), float(p)) for day, p in zip(horizons, said[:-1], strict=True))
        steps = self.ladder.climb(stage, float(said[-1]))
        return ConversionAnswer(told, steps, is_anchored=close_90 is not None)

    def closed(self, table: FloatArray) -> FloatArray:
        """Return how likely each row has closed by the end of each period, shape ``(n, periods)``."""
        parts = [
            _incidence(self.hazards(table[at : at + _CHUNK])) for at in range(0, len(table), _CHUNK)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(EDGES)))

    def hazards(self, table: FloatArray) -> FloatArray:
        """Return how likely a lead open at a period's start is open, closed, lost at its end.

        Shape ``(n, periods, 3)``; each line sums to 1.
        """
        rows = every_period(table)
        raw = np.column_stack([trees.predict(rows) for trees in self.trees])
        raw -= raw.max(axis=1, keepdims=True)
        found = np.exp(raw)
        found /= found.sum(axis=1, keepdims=True)
        cube = found.reshape(len(table), len(EDGES), ENDINGS)
        return _going_on(cube, self.last_period)

    def stages(self, table: FloatArray) -> IntArray:
        """Return the stage at which each row stands."""
        stage = np.nan_to_num(table[:, self.matrix.names.index(STAGE)]).astype(np.int64)
        return np.clip(stage, 0, len(self.ladder.going_on) - 1)

    def table(self, rows: pd.DataFrame) -> FloatArray:
        """Return the matrix of leads at their ``event_timestamp``."""
        return self.matrix.table(feature_frame(rows))

    def named(self, version: str) -> Conversion:
        """Return the same model under a version's name."""
        return replace(self, version=version)


def load(folder: Path, version: str = "") -> Conversion:
    """Return the model that was saved, its files verified.

    Raises
    ------
    ArtifactRefused
        If a file is not what the manifest says.
    """
    from hki_ml.models.conversion import artifact

    return artifact.load(folder).named(version)


def at_days(closed: FloatArray, days: FloatArray) -> FloatArray:
    """Return curves of shape ``(n, periods)`` at some days, on straight lines within periods."""
    edges = np.array([0.0, *EDGES])
    padded = np.column_stack([np.zeros(len(closed)), closed])
    wanted = np.clip(days, 0.0, edges[-1])
    right = np.clip(np.searchsorted(edges, wanted), 1, len(edges) - 1)
    share = (wanted - edges[right - 1]) / (edges[right] - edges[right - 1])
    out: FloatArray = padded[:, right - 1] * (1 - share) + padded[:, right] * share
    return out


def tilted(closed: FloatArray, wanted: FloatArray) -> FloatArray:
    """Return curves whose odds are moved by one factor a row, so that by day 90 ``wanted`` have closed.

    Never falling and below 1, as the curves were.
    """
    at = EDGES.index(WITHIN_DAYS)
    # A curve that starts at nothing could not be moved.
    floor = LEAST * np.array(EDGES) / EDGES[-1]
    said = np.clip(np.maximum(closed, floor), 0.0, MOST)
    odds = np.log(said) - np.log1p(-said)
    goal = np.clip(wanted, LEAST, MOST)
    shift = np.log(goal) - np.log1p(-goal) - odds[:, at]
    out: FloatArray = 1.0 / (1.0 + np.exp(-(odds + shift[:, None])))
    out[:, at] = goal
    return np.minimum(np.maximum.accumulate(out, axis=1), MOST)


def _going_on(cube: FloatArray, last: int) -> FloatArray:
    """Give the periods after the last learned one its hazard a day."""
    width = np.diff(np.array([0.0, *EDGES]))
    ended = 1.0 - cube[:, last, 0]
    split = cube[:, last, 1:] / np.maximum(ended, 1e-300)[:, None]
    for k in range(last + 1, len(EDGES)):
        still = np.power(np.maximum(1.0 - ended, 1e-300), width[k] / width[last])
        cube[:, k, 0] = still
        cube[:, k, 1:] = (1.0 - still)[:, None] * split
    return cube


def _incidence(cube: FloatArray) -> FloatArray:
    still = np.cumprod(cube[:, :, 0], axis=1)
    before = np.column_stack([np.ones(len(cube)), still[:, :-1]])
    out: FloatArray = np.minimum(np.cumsum(before * cube[:, :, 1], axis=1), 1.0)
    return out
