"""The room's answers to the verbs of the path: will a lead close?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hki_ml.learning.lead_labels import known_until, landmarks
from hki_ml.metrics.calibration import log_odds
from hki_ml.models.conversion import artifact
from hki_ml.models.conversion.evaluate import Backtest, losses_of
from hki_ml.models.conversion.evaluate import backtest as run_backtest
from hki_ml.models.conversion.explain import WITHIN_DAYS
from hki_ml.models.conversion.predict import Conversion, at_days
from hki_ml.models.conversion.train import train
from hki_ml.models.model import Speaker, Target, Trial

NAME = "conversion"
SERVICE = NAME
TABLES = ("leads",)
TARGETS = (
    Target(
        "sum of probabilities over closings, less 1",
        ("by month", "all", "off"),
        "ours",
        low=-0.1,
        high=0.1,
    ),
    Target(
        "debiased calibration error, 90 days",
        ("90 days", "ours", "ECE_debiased"),
        "ours",
        high=0.05,
    ),
)

TRIAL_DAYS = 180  # 90 days of leads, and 90 in which they may close
SMALLEST_TRIAL, LARGEST_TRIAL = 0.1, 0.35  # of all leads
ALLOWED_BEHIND = 1.01  # of the log loss, behind a logistic regression
WORST_SUM = 0.15  # stated closings may be this much off those that came true


def spine(tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Return one row a lead and landmark; its state is joined as of that moment."""
    return landmarks(tables["leads"], known_until=known_until(tables["leads"]))


def fit(
    frame: pd.DataFrame, *, as_of: datetime, seed: int, threads: int, trial: Trial | None = None
) -> Conversion:
    """Return a model trained as known at ``as_of``, with as many trees as a trial chose if there is one."""
    judged = None if trial is None else trial.judged
    rounds = judged.note["rounds"] if isinstance(judged, Conversion) else None
    return train(
        frame,
        as_of=pd.Timestamp(as_of),
        seed=seed,
        threads=threads,
        rounds=rounds if isinstance(rounds, int) else None,
    )


def backtest(
    frame: pd.DataFrame, *, cutoff: datetime, until: datetime | None, seed: int, threads: int
) -> Backtest:
    """Train on what was known before ``cutoff`` and judge on leads that came in ``[cutoff, until)``."""
    end = None if until is None else pd.Timestamp(until)
    return run_backtest(frame, cutoff=pd.Timestamp(cutoff), until=end, seed=seed, threads=threads)


def default_cutoff(frame: pd.DataFrame) -> datetime:
    """Return 180 days before the end of what is known, within 10 to 35 % of all leads."""
    created = frame["created_at"]
    wanted = frame["known_until"].max() - pd.Timedelta(days=TRIAL_DAYS)
    earliest, latest = created.quantile([1 - LARGEST_TRIAL, 1 - SMALLEST_TRIAL])
    cutoff: datetime = min(max(wanted, earliest), latest).normalize().to_pydatetime()
    return cutoff


def trial(frame: pd.DataFrame, *, seed: int, threads: int) -> Trial:
    """Train before the default cut-off and judge on the leads that came from it on."""
    cutoff = default_cutoff(frame)
    found = backtest(frame, cutoff=cutoff, until=None, seed=seed, threads=threads)
    return Trial(
        cutoff=cutoff,
        until=frame["created_at"].max().to_pydatetime(),
        figures=found.figures(),
        report=found.as_json(),
        losses=found.losses,
        judged=found.model,
    )


def losses(folder: Path, frame: pd.DataFrame, *, since: datetime) -> pd.DataFrame:
    """Return a saved model's log loss at 90 days on each matured row of leads from ``since`` on."""
    model = artifact.load(folder)
    rows = frame[frame["created_at"] >= since]
    closed = model.closed(model.table(rows))
    return losses_of(rows, at_days(closed, np.array([WITHIN_DAYS]))[:, 0])


def speaker(folder: Path) -> Speaker:
    """Return the log-odds of closing within 90 days that a saved model gives."""
    model = artifact.load(folder)
    names = model.matrix.names

    def margin(table: pd.DataFrame) -> NDArray[np.float64]:
        closed = model.closed(table.to_numpy(np.float64))
        return log_odds(at_days(closed, np.array([WITHIN_DAYS]))[:, 0])

    return Speaker(names, lambda rows: pd.DataFrame(model.table(rows), columns=list(names)), margin)


def save(fitted: Conversion, folder: Path, *, notes: Mapping[str, object]) -> None:
    """Write the model with its manifest and the notes on where it comes from."""
    artifact.save(fitted, folder)
    (folder / "notes.json").write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")


def problems(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a trial forbids promotion: worse than a plain model, or sums that do not come true."""
    table = report["90 days"]
    ours = table["ours"]["log_loss"]["value"]
    found = []
    for rival, allowed in (("logistic", ALLOWED_BEHIND), ("base rate", 1.0)):
        theirs = table[rival]["log_loss"]["value"]
        if not ours <= theirs * allowed:
            found.append(
                f"log loss at 90 days: expected at most {theirs:.4g} ({rival}), got {ours:.4g}"
            )
    off = report["by month"]["all"]["off"]["value"]
    if not abs(off) <= WORST_SUM:
        found.append(
            f"sum of probabilities: expected within {WORST_SUM:.0%} of closings, got {off:+.1%}"
        )
    return tuple(found)
