"""The backtest: learn what was known before a cut-off, score the leads that came after it, compare.

Two regimes, always side by side. ``strict``: nothing after the cut-off is known but the lead itself.
``as_known``: the model stays frozen, but how often leads close these days is as known strictly before
each moment, and so is the level of its odds, moved by outcomes known by then.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.judged import judged
from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import split_leads
from hki_ml.learning.matured import microseconds
from hki_ml.metrics.classification import row_log_loss
from hki_ml.metrics.table import Row, Table
from hki_ml.models.lead_scoring.boosters import Lesson
from hki_ml.models.lead_scoring.calibration import follow_level
from hki_ml.models.lead_scoring.challengers import logistic_regression, plain_lightgbm
from hki_ml.models.lead_scoring.features import RATE
from hki_ml.models.lead_scoring.judging import (
    Judged,
    by_band,
    by_confidence,
    by_day,
    by_month,
    overall,
    row,
)
from hki_ml.models.lead_scoring.labels import labels
from hki_ml.models.lead_scoring.predict import Scorer
from hki_ml.models.lead_scoring.train import Lessons, known_at, learn, prepare

FloatArray = NDArray[np.float64]

REGIMES = ("as_known", "strict")
ORDER = ("overall", "side by side", "by day", "score bands", "by confidence", "by month", "tried")
LEGEND = (
    "as_known: the model is frozen; the closing rate and the level of odds follow outcomes known "
    "strictly before each moment\n"
    "strict: nothing after the cut-off is known but the lead's own activity\n"
    "[95 % interval], bootstrapped by lead; by day: DeLong. dECE: debiased calibration error, ten bins "
    "of equal mass (Kumar et al. 2019)"
)
FEWEST_TESTED = 50


@dataclass(frozen=True, slots=True)
class Terms:
    """How a backtest is run: test leads came in ``[cutoff, until)``."""

    cutoff: pd.Timestamp
    until: pd.Timestamp | None = None
    seed: int = 0
    threads: int = 1
    draws: int = 200


@dataclass(frozen=True, slots=True)
class Backtest:
    """The result; ``str`` prints it, ``as_json`` keeps it.

    ``predictions`` has a row a matured test row: what was said of it, as known at its time.
    """

    tables: tuple[Table, ...]
    seconds: float
    peak_memory_gb: float
    scorer: Scorer
    predictions: pd.DataFrame

    def row(self, title: str, name: str) -> Row:
        """Return one line of one table."""
        table = next(table for table in self.tables if table.title == title)
        return next(row for row in table.rows if row.name == name)

    def __str__(self) -> str:
        """Return all tables, what was tried, then time and memory."""
        cost = f"{self.seconds:.1f} s to train, {self.peak_memory_gb:.2f} GB at most"
        order = sorted(self.tables, key=lambda table: ORDER.index(table.title.split(", ")[0]))
        kept = f"kept: {self.scorer.note['kept']}, of {len(self.scorer.note['tried'])} tried"
        return "\n\n".join([*map(str, order), LEGEND, f"{kept}\n{cost}"])

    def as_json(self) -> dict[str, object]:
        """Return everything for a JSON file."""
        note = dict(self.scorer.note)
        return {
            **{table.title: table.as_json() for table in self.tables},
            "tried": note.pop("tried"),
            "train_seconds": self.seconds,
            "peak_memory_gb": self.peak_memory_gb,
            "note": note,
        }


def backtest(frame: pd.DataFrame, terms: Terms) -> Backtest:
    """Train before the cut-off, score the leads that came later in both regimes, challengers beside.

    Raises
    ------
    NotEnoughData
        If there is too little on either side of the cut-off.
    GateRefused
        As ``train``.
    """
    split = split_leads(frame, cutoff=terms.cutoff, until=terms.until)
    found = labels(split.test)
    if found.matured.sum() < FEWEST_TESTED or len(np.unique(found.closed[found.matured])) < 2:
        raise NotEnoughData(
            f"expected at least {FEWEST_TESTED} test rows that have had their horizon, closings among "
            f"them and others, got {int(found.matured.sum())} with "
            f"{int(found.closed[found.matured].sum())} closings from {terms.cutoff:%Y-%m-%d} on"
        )
    started = time.perf_counter()
    lessons = prepare(frame, as_of=terms.cutoff)
    scorer = learn(lessons, as_of=terms.cutoff, seed=terms.seed, threads=terms.threads)
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    test = split.test[found.matured].sort_values("event_timestamp", kind="stable")
    test = test.reset_index(drop=True)
    said = {regime: judge(scorer, test, regime, lessons=lessons) for regime in REGIMES}
    others = _challengers(lessons, scorer, test, terms)
    tables: list[Table] = []
    for regime in REGIMES:
        tables += _tables(regime, said[regime], others, terms)
    predictions = _predictions(test, said["as_known"])
    return Backtest(tuple(tables), seconds, memory, scorer, predictions)


def judge(
    scorer: Scorer, test: pd.DataFrame, regime: str, *, lessons: Lessons | None = None
) -> Judged:
    """Return what a frozen scorer says of matured rows, in order of time, under a regime."""
    features = feature_frame(test)
    table = scorer.table_of(features)
    if regime == "strict" and RATE in scorer.matrix.names and lessons is not None:
        at = scorer.matrix.names.index(RATE)
        table[:, at] = _last_known(lessons.table[:, at])
    margin = scorer.margin(table)
    closed = labels(test).closed
    if regime == "as_known" and scorer.step > 0:
        asked = microseconds(test["event_timestamp"])
        moved, _ = follow_level(margin, closed, known_at(test), asked, step=scorer.step)
        margin = margin + moved
    return Judged(
        closed, margin, scorer.confidence(margin, scorer.completeness(features)),
        pd.factorize(test["lead_id"])[0].astype(np.int64),
        test["landmark_days"].to_numpy(np.float64),
        test["created_at"].dt.strftime("%Y-%m").to_numpy(object),
    )  # fmt: skip


def _last_known(rate: FloatArray) -> float:
    known = rate[~np.isnan(rate)]
    return float(known[-1]) if len(known) else float("nan")


def _challengers(
    lessons: Lessons, scorer: Scorer, test: pd.DataFrame, terms: Terms
) -> Mapping[str, FloatArray]:
    """Return the log-odds of the challengers for the test rows; they see every feature as it is."""
    known = np.flatnonzero(lessons.found.weight > 0)
    lesson = Lesson(
        lessons.table, lessons.found.closed, lessons.found.weight, np.zeros(len(lessons.table))
    ).take(known)
    asked = scorer.table(test)
    said = {
        "logistic regression": logistic_regression(lesson, asked),
        "untuned LightGBM": plain_lightgbm(lesson, asked, seed=terms.seed, threads=terms.threads),
    }
    return {name: np.log(p) - np.log1p(-p) for name, p in said.items()}


def _tables(
    regime: str, said: Judged, others: Mapping[str, FloatArray], terms: Terms
) -> list[Table]:
    def line(name: str, judged: Judged) -> Row:
        return row(name, judged, seed=terms.seed, draws=terms.draws)

    tables = [overall(f"overall, {regime}", said, seed=terms.seed, draws=terms.draws)]
    beside = [Row("ours", tables[0].rows[0].n, tables[0].rows[0].figures)]
    for name, margin in others.items():
        beside.append(line(name, _with_margin(said, margin)))
    tables += [
        Table(f"side by side, {regime}", beside, is_tall=True),
        by_day(f"by day, {regime}", said),
        by_confidence(f"by confidence, {regime}", said),
        by_band(f"score bands, {regime}", said),
        by_month(f"by month, {regime}", said),
    ]
    return tables


def _with_margin(said: Judged, margin: FloatArray) -> Judged:
    return Judged(said.closed, margin, said.confidence, said.lead, said.day, said.month)


def _predictions(test: pd.DataFrame, said: Judged) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "lead_id": test["lead_id"],
        "landmark_days": test["landmark_days"],
        "event_timestamp": test["event_timestamp"],
        "closed": said.closed,
        "probability": said.probability,
        "confidence": said.confidence,
        "lead_source": test.get("lead_source"),
    }
    return pd.DataFrame(columns)


def losses(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return each row's log loss: what two scorers are compared on, pair by pair."""
    at_day = predictions["landmark_days"].map("{:g}".format)
    truth = predictions["closed"].to_numpy(np.float64)
    said = predictions["probability"].to_numpy(np.float64)
    return judged(
        example_id=predictions["lead_id"].astype(str) + "@" + at_day,
        happened_at=predictions["event_timestamp"],
        entity=predictions["lead_id"],
        segment=predictions.get("lead_source"),
        outcome=truth,
        probability=said,
        loss=row_log_loss(truth, said),
    )
