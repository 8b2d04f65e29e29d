"""The shape of a room: what the path asks of every model, and nothing of how it is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Trial:
    """What a model that was trained before ``cutoff`` did on what came true from then to ``until``.

    Attributes
    ----------
    figures
        Headline figures by name, for the registry and the card.
    report
        The whole evaluation, ready for JSON: every figure with its n and 95 % interval.
    losses
        One row an example of the test period, as ``hki_ml.learning.judged.judged`` makes them: what
        two models are compared on, pair by pair.
    judged
        The model that was judged, for `Model.fit` to go on from; never saved.
    """

    cutoff: datetime
    until: datetime
    figures: Mapping[str, float]
    report: Mapping[str, object]
    losses: pd.DataFrame
    judged: Any = None


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure of a trial's report was asked to be: ``low`` to ``high``, and who asked.

    ``path`` leads through the report to the figure.
    """

    name: str
    path: tuple[str, ...]
    asked_by: str
    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        """Return e.g. ``0.95 to 1.05`` or ``at least 0.85``."""
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        if math.isinf(self.low):
            return f"at most {self.high:g}"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Speaker:
    """What a saved model says of rows of its room's frame, for whoever watches it.

    Attributes
    ----------
    names
        The columns by which it answers.
    table
        From rows of the frame to at least those columns, one line a row in the room's own order.
    margin
        From such a table to answers on the scale on which reasons add up, shape ``(n,)``: log-odds, or
        the log of an amount in USD.
    is_odds
        Whether answers are log-odds of something that comes true or not.
    """

    names: tuple[str, ...]
    table: Callable[[pd.DataFrame], pd.DataFrame]
    margin: Callable[[pd.DataFrame], NDArray[np.float64]]
    is_odds: bool = True


class Report(Protocol):
    """What a backtest found: ``str`` prints it, ``as_json`` keeps it."""

    def as_json(self) -> dict[str, object]:
        """Return every figure with its n and 95 % interval."""
        ...


class Model(Protocol):
    """A room; modules named ``room`` satisfy it with plain functions."""

    NAME: str
    SERVICE: str
    TABLES: tuple[str, ...]
    TARGETS: tuple[Target, ...]

    def spine(self, tables: Mapping[str, pa.Table]) -> pd.DataFrame:
        """Return one row an example: entity key, ``event_timestamp`` and what the label is made of."""
        ...

    def fit(
        self,
        frame: pd.DataFrame,
        *,
        as_of: datetime,
        seed: int,
        threads: int,
        trial: Trial | None = None,
    ) -> Any:
        """Return a model trained on the spine's rows with features, as far as known at ``as_of``.

        A trial on the same rows may spare work: how its model did on what came later is what a
        final model has to be calibrated by.
        """
        ...

    def backtest(
        self,
        frame: pd.DataFrame,
        *,
        cutoff: datetime,
        until: datetime | None,
        seed: int,
        threads: int,
    ) -> Report:
        """Train on what was known before ``cutoff`` and judge on what came after, up to ``until``."""
        ...

    def default_cutoff(self, frame: pd.DataFrame) -> datetime:
        """Return where the judged period begins if nobody says."""
        ...

    def trial(self, frame: pd.DataFrame, *, seed: int, threads: int) -> Trial:
        """Train before a cut-off and judge after it.

        Raises
        ------
        NotEnoughData
            If too few examples lie on either side of the cut-off.
        """
        ...

    def losses(self, folder: Path, frame: pd.DataFrame, *, since: datetime) -> pd.DataFrame:
        """Return the losses of a saved model on the examples from ``since`` on, as in ``Trial``."""
        ...

    def speaker(self, folder: Path) -> Speaker:
        """Return what a saved model says of any rows of the frame, ended or not."""
        ...

    def save(self, fitted: Any, folder: Path, *, notes: Mapping[str, object]) -> None:
        """Write the model's files and manifest; the same inputs give the same bytes."""
        ...

    def problems(self, report: Mapping[str, Any]) -> tuple[str, ...]:
        """Return why a trial's report alone forbids promotion: a sentence a failed check."""
        ...
