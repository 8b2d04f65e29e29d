"""The room's answers to the verbs of the path: when will a lead close?"""

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

from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import known_until, landmarks
from hki_ml.metrics.calibration import log_odds
from hki_ml.models.model import Speaker, Target, Trial
from hki_ml.models.time_to_close import artifact
from hki_ml.models.time_to_close.evaluate import Backtest, Judged, losses_of
from hki_ml.models.time_to_close.evaluate import backtest as run_backtest
from hki_ml.models.time_to_close.predict import ANCHOR_DAYS, TimeToClose
from hki_ml.models.time_to_close.train import train

NAME = "time_to_close"
SERVICE = NAME
TABLES = ("leads",)
TARGETS = (
    Target("C", ("side by side", "ours", "C"), "design", low=0.72),
    Target("error of the deciles of time", ("side by side", "ours", "decile"), "design", high=0.15),
    Target("error of the deciles of time", ("side by side", "ours", "decile"), "ours", high=0.1),
    Target("skill over Kaplan-Meier", ("side by side", "ours", "skill"), "ours", low=0.25),
)

TRIAL_DAYS = 270  # 90 days of leads, and 180 in which they may close
SMALLEST_TRIAL, LARGEST_TRIAL = 0.1, 0.35  # of all leads
ALLOWED_BEHIND = 0.01  # of C, behind a Cox model on raw features
WORST_DECILES = 0.15  # "calibration within 15 %"


def spine(tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Return one row a lead and landmark; its state is joined as of that moment."""
    return landmarks(tables["leads"], known_until=known_until(tables["leads"]))


def fit(
    frame: pd.DataFrame, *, as_of: datetime, seed: int, threads: int, trial: Trial | None = None
) -> TimeToClose:
    """Return a model trained as known at ``as_of``, under the terms that a trial chose if there is one."""
    del threads  # lifelines takes what the linear algebra takes
    judged = None if trial is None else trial.judged
    terms = judged.terms if isinstance(judged, TimeToClose) else None
    return train(frame, as_of=pd.Timestamp(as_of), seed=seed, terms=terms)


def backtest(
    frame: pd.DataFrame, *, cutoff: datetime, until: datetime | None, seed: int, threads: int
) -> Backtest:
    """Train on what was known before ``cutoff`` and judge on leads that came in ``[cutoff, until)``."""
    del threads
    end = None if until is None else pd.Timestamp(until)
    return run_backtest(frame, cutoff=pd.Timestamp(cutoff), until=end, seed=seed)


def default_cutoff(frame: pd.DataFrame) -> datetime:
    """Return 270 days before the end of what is known, within 10 to 35 % of all leads."""
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
    """Return a saved model's part of the integrated Brier score on each row of leads from ``since`` on."""
    model = artifact.load(folder)
    rows = frame[frame["created_at"] >= since]
    judged = Judged.of(rows)
    closed = model.cox.at(model.curves(rows)[0], judged.times)
    return losses_of(judged, closed)


def speaker(folder: Path) -> Speaker:
    """Return the log-odds of closing within 90 days that a saved model gives."""
    model = artifact.load(folder)
    lens, names = model.lens, model.lens.matrix.names

    def margin(table: pd.DataFrame) -> NDArray[np.float64]:
        seen = table.to_numpy(np.float64)
        closed, _ = model.cox.incidences(lens.design.of(seen), lens.strata(seen))
        return log_odds(model.cox.at(closed, [ANCHOR_DAYS])[:, 0])

    return Speaker(
        names,
        lambda rows: pd.DataFrame(lens.matrix.table(feature_frame(rows)), columns=list(names)),
        margin,
    )


def save(fitted: TimeToClose, folder: Path, *, notes: Mapping[str, object]) -> None:
    """Write the model with its manifest and the notes on where it comes from."""
    artifact.save(fitted, folder)
    (folder / "notes.json").write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")


def problems(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a trial forbids promotion: worse than a plain model, or days that do not come true."""
    ours, plain = (report["side by side"][name] for name in ("ours", "plain Cox"))
    found = []
    if ours["C"]["value"] < plain["C"]["value"] - ALLOWED_BEHIND:
        found.append(
            f"C: expected at least {plain['C']['value']:.4g} (plain Cox), got {ours['C']['value']:.4g}"
        )
    if ours["skill"]["value"] <= 0:
        found.append(f"skill over Kaplan-Meier: expected above 0, got {ours['skill']['value']:.3g}")
    off = ours["decile"]["value"]
    if not np.isfinite(off) or off > WORST_DECILES:
        found.append(f"decile error: expected at most {WORST_DECILES:.0%}, got {off:.1%}")
    return tuple(found)
