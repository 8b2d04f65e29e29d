"""The backtest: learn what was known before a cut-off, judge on leads that came after it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.judged import judged
from hki_ml.learning.lead_clock import STAGES
from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import closing_within, hide_later, split_leads
from hki_ml.learning.lead_matrix import LeadMatrix
from hki_ml.metrics.calibration import debiased_ece
from hki_ml.metrics.classification import auc, base_rate, brier, log_loss, row_log_loss
from hki_ml.metrics.clusters import clustered
from hki_ml.metrics.table import Figure, Row, Table
from hki_ml.models.conversion.explain import WITHIN_DAYS, reached
from hki_ml.models.conversion.predict import HORIZONS, Conversion, at_days
from hki_ml.models.conversion.train import train

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

DRAWS = 100
FEWEST_ROWS, FEWEST_CLOSINGS = 100, 20
LEGEND = (
    "only rows whose horizon has passed; [95 % interval], drawn by lead\n"
    "logistic: one regression a horizon on the same matrix; base rate: that of the leads taught by\n"
    "off: stated / come true - 1"
)


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """The result; ``str`` prints it, `as_json` keeps it.

    ``losses`` has a row a test row whose 90 days have passed: its log loss.
    """

    tables: tuple[Table, ...]
    seconds: float
    model: Conversion
    losses: pd.DataFrame

    def __str__(self) -> str:
        """Return all tables as text."""
        return "\n\n".join([*map(str, self.tables), LEGEND, f"{self.seconds:.0f} s"])

    def as_json(self) -> dict[str, object]:
        """Return every figure with its n and 95 % interval."""
        return {t.title: t.as_json() for t in self.tables} | {"seconds": self.seconds}

    def figures(self) -> dict[str, float]:
        """Return the headline: ours at 90 days, and the sum over months."""
        found: dict[str, float] = {}
        for table in self.tables:
            for row in table.rows:
                if (table.title, row.name) in {("90 days", "ours"), ("by month", "all")}:
                    found |= {name: figure.value for name, figure in row.figures.items()}
        return found


def backtest(
    rows: pd.DataFrame, *, cutoff: pd.Timestamp, until: pd.Timestamp | None, seed: int, threads: int
) -> Backtest:
    """Train on what was known before ``cutoff`` and judge on the leads that came in ``[cutoff, until)``.

    Raises
    ------
    NotEnoughData
        If fewer than 30 rows close before, or no test row has had 90 days.
    """
    begun = time.perf_counter()
    split = split_leads(rows, cutoff=cutoff, until=until)
    model = train(split.teach, as_of=cutoff, seed=seed, threads=threads)
    test = split.test
    table = model.table(test)
    closed = model.closed(table)
    due = closing_within(test, WITHIN_DAYS)
    if due.matured.sum() < FEWEST_ROWS or due.closed[due.matured].sum() < FEWEST_CLOSINGS:
        raise NotEnoughData(
            f"expected {FEWEST_ROWS} test rows of which {FEWEST_CLOSINGS} closed after 90 days, got "
            f"{int(due.matured.sum())} and {int(due.closed[due.matured].sum())}"
        )
    known = hide_later(split.teach, cutoff)
    logistic = Logistic.of(model.matrix, known)
    tables = [
        _horizon(day, test, at_days(closed, np.array([float(day)]))[:, 0], logistic, known, seed)
        for day in HORIZONS
    ]
    at_90 = at_days(closed, np.array([WITHIN_DAYS]))[:, 0]
    stage = model.stages(table)
    tables += [
        _by_stage(test, at_90, stage, seed),
        _steps(model, test, at_90, stage, seed),
        _by_month(test, at_90, seed),
    ]
    kept = tuple(t for t in tables if t.rows)
    return Backtest(kept, time.perf_counter() - begun, model, losses_of(test, at_90))


def losses_of(rows: pd.DataFrame, at_90: FloatArray) -> pd.DataFrame:
    """Return the log loss of each row whose 90 days have passed."""
    due = closing_within(rows, WITHIN_DAYS)
    some, said = rows[due.matured], at_90[due.matured]
    truth = due.closed[due.matured].astype(np.float64)
    return judged(
        example_id=[
            f"{lead}@{day:g}"
            for lead, day in zip(some["lead_id"], some["landmark_days"], strict=True)
        ],
        happened_at=some["event_timestamp"],
        entity=some["lead_id"],
        segment=some.get("lead_source"),
        outcome=truth,
        probability=said,
        loss=row_log_loss(truth, said),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Logistic:
    """The rival: a logistic regression a horizon, gaps filled by the median and marked."""

    matrix: LeadMatrix
    taught: FloatArray
    rows: pd.DataFrame

    @classmethod
    def of(cls, matrix: LeadMatrix, rows: pd.DataFrame) -> Logistic:
        """Return the rival on the same matrix."""
        return cls(matrix, matrix.table(feature_frame(rows)), rows)

    def said(self, day: float, later: pd.DataFrame) -> FloatArray:
        """Return its probabilities of closing within a horizon; the base rate if one kind is there."""
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        due = closing_within(self.rows, day)
        truth = due.closed[due.matured]
        if truth.sum() < FEWEST_CLOSINGS:
            return np.full(len(later), truth.mean() if len(truth) else 0.5)
        rival = make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(C=0.1, max_iter=500),
        )
        rival.fit(self.taught[due.matured], truth)
        out: FloatArray = rival.predict_proba(self.matrix.table(feature_frame(later)))[:, 1]
        return out


def _horizon(
    day: int, test: pd.DataFrame, said: FloatArray, logistic: Logistic, known: pd.DataFrame, seed: int
) -> Table:  # fmt: skip
    due = closing_within(test, day)
    at = due.matured
    truth = due.closed[at].astype(np.float64)
    taught = closing_within(known, day)
    if at.sum() < FEWEST_ROWS or truth.sum() < FEWEST_CLOSINGS or not taught.matured.any():
        return Table(f"{day} days", [])
    base = float(taught.closed[taught.matured].mean())
    rivals = {
        "ours": said[at],
        "logistic": logistic.said(day, test[at]),
        "base rate": np.full(int(at.sum()), np.clip(base, 1e-6, 1 - 1e-6)),
    }
    leads = test["lead_id"].to_numpy()[at]
    return Table(
        f"{day} days", [_line(name, truth, values, leads, seed) for name, values in rivals.items()]
    )


def _line(
    name: str, truth: FloatArray, said: FloatArray, leads: NDArray[np.object_], seed: int
) -> Row:  # fmt: skip
    measures: dict[str, Callable[[FloatArray], float]] = {
        "Brier": lambda w: brier(truth, said, w),
        "log_loss": lambda w: log_loss(truth, said, w),
        "AUC": lambda w: auc(truth, said, w),
        "ECE_debiased": lambda w: debiased_ece(truth, said, w),
        "base": lambda w: base_rate(truth, w),
    }
    figures = {k: clustered(m, leads, seed=seed, draws=DRAWS) for k, m in measures.items()}
    return Row(name, len(truth), figures)


def _said_and_seen(
    name: str, said: FloatArray, seen: FloatArray, leads: NDArray[np.object_], seed: int
) -> Row:  # fmt: skip
    def off(weight: FloatArray) -> float:
        came = float(weight @ seen)
        return float(weight @ said) / came - 1 if came > 0 else float("nan")

    figures = {
        "said": Figure(float(said.mean())),
        "seen": clustered(
            lambda w: float(np.average(seen, weights=w)), leads, seed=seed, draws=DRAWS
        ),
        "off": clustered(off, leads, seed=seed, draws=DRAWS),
    }
    return Row(name, len(said), figures)


def _by_stage(test: pd.DataFrame, said: FloatArray, stage: NDArray[np.int64], seed: int) -> Table:
    due = closing_within(test, WITHIN_DAYS)
    leads, truth = test["lead_id"].to_numpy(), due.closed.astype(np.float64)
    rows = []
    for s, name in enumerate(STAGES):
        at = due.matured & (stage == s)
        if at.sum() >= FEWEST_ROWS and truth[at].sum() > 0:
            rows.append(_said_and_seen(name, said[at], truth[at], leads[at], seed))
    return Table("closing within 90 days, by stage", rows)


def _steps(
    model: Conversion, test: pd.DataFrame, said: FloatArray, stage: NDArray[np.int64], seed: int
) -> Table:
    due = closing_within(test, WITHIN_DAYS)
    furthest, _ = reached(test, stage)
    steps = model.ladder.steps(stage, said)
    leads = test["lead_id"].to_numpy()
    rows = []
    for s, name in enumerate(STAGES):
        at = due.matured & (stage == s)
        went = (furthest[at] > s).astype(np.float64)
        if at.sum() >= FEWEST_ROWS and went.sum() > 0:
            above = STAGES[s + 1] if s + 1 < len(STAGES) else "closed"
            rows.append(_said_and_seen(f"{name} to {above}", steps[at, s], went, leads[at], seed))
    return Table("going on from the stage where it stands", rows)


def _by_month(test: pd.DataFrame, said: FloatArray, seed: int) -> Table:
    """Compare the sum of probabilities with closings, by the month in which leads came."""
    due = closing_within(test, WITHIN_DAYS)
    first = ~test["lead_id"].duplicated().to_numpy()  # rows are in order of time
    at = due.matured & first
    month = test["created_at"].dt.strftime("%Y-%m").to_numpy()
    leads, truth = test["lead_id"].to_numpy(), due.closed.astype(np.float64)
    rows = [_said_and_seen("all", said[at], truth[at], leads[at], seed)]
    for name in sorted(set(month[at])):
        here = at & (month == name)
        if truth[here].sum() >= FEWEST_CLOSINGS:
            rows.append(_said_and_seen(name, said[here], truth[here], leads[here], seed))
    return Table("by month", rows)
