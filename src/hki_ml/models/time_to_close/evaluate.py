"""The backtest: learn what was known before a cut-off, judge on leads that came after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.judged import WAITED
from hki_ml.learning.judged import judged as judged_rows
from hki_ml.learning.lead_labels import Ends, split_leads
from hki_ml.metrics.clusters import clustered
from hki_ml.metrics.concordance import uno_c
from hki_ml.metrics.survival import (
    aalen_johansen,
    decile_errors,
    integrated_brier_rows,
    known_so_long,
)
from hki_ml.metrics.table import Figure, Row, Table
from hki_ml.models.time_to_close.labels import judged_days, residual
from hki_ml.models.time_to_close.predict import TimeToClose
from hki_ml.models.time_to_close.train import plain_cox, train

FloatArray = NDArray[np.float64]

POINTS = 36
DRAWS = 100
LEGEND = (
    "C: Uno's, a lost lead never closes; IBS: integrated Brier score of closing, weighted for censoring\n"
    "skill: 1 - IBS / that of Kaplan-Meier (Aalen-Johansen, for ends compete) of the leads taught by\n"
    "decile: how far the restricted mean days to closing are off what came true, by tenth; [95 % interval]"
)


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """The result; ``str`` prints it, `as_json` keeps it.

    ``losses`` has a row a test row: its part of the integrated Brier score.
    """

    tables: tuple[Table, ...]
    seconds: float
    model: TimeToClose
    losses: pd.DataFrame

    def __str__(self) -> str:
        """Return all tables as text."""
        proportional = "\n".join(str(line) for line in self._tests())
        parts = [*map(str, self.tables), "Schoenfeld tests:\n" + proportional, LEGEND]
        return "\n\n".join([*parts, f"{self.seconds:.0f} s"])

    def as_json(self) -> dict[str, object]:
        """Return every figure with its n and 95 % interval."""
        tables = {table.title: table.as_json() for table in self.tables}
        return {**tables, "proportionality": self._tests(), "seconds": self.seconds}

    def _tests(self) -> list[dict[str, object]]:
        found = self.model.note.get("proportionality", [])
        return found if isinstance(found, list) else []

    def figures(self) -> dict[str, float]:
        """Return the headline: ours on all test rows."""
        return {k: f.value for k, f in self.tables[0].rows[0].figures.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Curves of closing of the test rows at ``times``, and what came true."""

    rows: pd.DataFrame
    ends: Ends
    times: FloatArray

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Judged:
        """Return test rows with the days at which they are judged."""
        until = judged_days(rows)
        return cls(rows, residual(rows), np.linspace(until / POINTS, until, POINTS))

    def brier(self, closed: FloatArray) -> FloatArray:
        """Return each row's part of the integrated Brier score."""
        days, cause = self.ends.days, self.ends.cause
        known = known_so_long(days, cause)
        return integrated_brier_rows(closed, days, cause, times=self.times, known=known)

    def mean_days(self, closed: FloatArray) -> FloatArray:
        """Return the restricted mean days to closing; never counts as the last day."""
        grid = np.concatenate([[0.0], self.times])
        padded = np.column_stack([np.zeros(len(closed)), closed])
        out: FloatArray = grid[-1] - np.trapezoid(padded, grid, axis=1)
        return out

    def take(self, at: NDArray[np.bool_]) -> Judged:
        """Return some of the rows."""
        return Judged(self.rows[at], Ends(self.ends.days[at], self.ends.cause[at]), self.times)


def backtest(
    rows: pd.DataFrame, *, cutoff: pd.Timestamp, until: pd.Timestamp | None, seed: int
) -> Backtest:
    """Train on what was known before ``cutoff`` and judge on the leads that came in ``[cutoff, until)``.

    Raises
    ------
    NotEnoughData
        If fewer than 30 rows close on either side.
    """
    begun = time.perf_counter()
    split = split_leads(rows, cutoff=cutoff, until=until)
    model = train(split.teach, as_of=cutoff, seed=seed, tests=True)
    judged = Judged.of(split.test)
    taught = residual(split.teach)
    base = aalen_johansen(taught.days, taught.cause).at(judged.times)
    curves = {
        "ours": model.cox.at(model.curves(split.test)[0], judged.times),
        "plain Cox": plain_cox(split.teach, split.test, judged.times, as_of=cutoff, seed=seed),
        "Kaplan-Meier": np.tile(base, (len(split.test), 1)),
    }
    side = [_row(name, judged, closed, base, seed) for name, closed in curves.items()]
    by_day = _by_landmark(judged, curves["ours"], base, seed)
    losses = losses_of(judged, curves["ours"])
    tables = (
        Table("side by side", side),
        Table("by landmark day", by_day),
    )
    return Backtest(tables, time.perf_counter() - begun, model, losses)


def losses_of(judged: Judged, closed: FloatArray) -> pd.DataFrame:
    """Return each row's part of the integrated Brier score, and its time beside the one expected."""
    rows, days, cause = judged.rows, judged.ends.days, judged.ends.cause
    pairs = zip(rows["lead_id"], rows["landmark_days"], strict=True)
    found = judged_rows(
        example_id=[f"{lead}@{day:g}" for lead, day in pairs],
        happened_at=rows["event_timestamp"],
        entity=rows["lead_id"],
        segment=rows.get("lead_source"),
        outcome=np.where(cause > 0, cause, np.nan),
        loss=judged.brier(closed),
    )
    said = (days, cause, judged.mean_days(closed))
    return found.assign(**dict(zip(WAITED, said, strict=True)))


def _by_landmark(judged: Judged, closed: FloatArray, base: FloatArray, seed: int) -> list[Row]:
    found = []
    for day in sorted(judged.rows["landmark_days"].unique()):
        at = (judged.rows["landmark_days"] == day).to_numpy()
        if (judged.ends.cause[at] == 1).sum() >= 30:
            found.append(_row(f"day {day:g}", judged.take(at), closed[at], base, seed))
    return found


def _row(name: str, judged: Judged, closed: FloatArray, base: FloatArray, seed: int) -> Row:
    """Return one line of figures, each with its interval over drawn leads."""
    days, cause = judged.ends.days, judged.ends.cause
    until = float(judged.times[-1])
    brier = judged.brier(closed)
    empty = judged.brier(np.tile(base, (len(closed), 1)))
    mean = judged.mean_days(closed)
    measures: dict[str, Callable[[FloatArray], float]] = {
        "C": lambda w: uno_c(-mean, days, cause, until=until, weight=w),
        "IBS": lambda w: float(np.average(brier, weights=w)),
        "skill": lambda w: 1 - float(np.average(brier, weights=w) / np.average(empty, weights=w)),
        "decile": lambda w: float(np.nanmean(np.abs(_off(mean, judged, until, w)))),
        "decile_worst": lambda w: float(np.nanmax(np.abs(_off(mean, judged, until, w)))),
    }
    leads = judged.rows["lead_id"].to_numpy()
    figures: dict[str, Figure] = {
        key: clustered(measure, leads, seed=seed, draws=DRAWS) for key, measure in measures.items()
    }
    return Row(name, len(days), {**figures, "days": Figure(until)})


def _off(mean: FloatArray, judged: Judged, until: float, weight: FloatArray) -> FloatArray:
    days, cause = judged.ends.days, judged.ends.cause
    return decile_errors(mean, days, cause, until=until, weight=weight)
