"""The lead scoring room's answers to the verbs of the path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from hki_ml.learning.lead_labels import horizon_of, known_until, landmarks
from hki_ml.models.lead_scoring import artifact
from hki_ml.models.lead_scoring.evaluate import Backtest, Terms, judge
from hki_ml.models.lead_scoring.evaluate import backtest as run_backtest
from hki_ml.models.lead_scoring.evaluate import losses as losses_of
from hki_ml.models.lead_scoring.labels import labels
from hki_ml.models.lead_scoring.predict import Scorer
from hki_ml.models.lead_scoring.train import train
from hki_ml.models.model import Speaker, Target, Trial

NAME = "lead_scoring"
SERVICE = "lead_scoring"
TABLES = ("leads",)
_ALL = ("overall, as_known", "all")
TARGETS = (
    Target("AUC", (*_ALL, "AUC"), "design", low=0.85),
    Target("precision in the top 20 %", (*_ALL, "P@20"), "design", low=0.75),
    Target("debiased calibration error", (*_ALL, "dECE"), "design", high=0.05),
    Target("calibration slope", (*_ALL, "slope"), "ours", low=0.95, high=1.05),
    Target("lift in the top 20 %", (*_ALL, "lift@20"), "ours", low=3.3),
)

TRIAL_SHARE = 0.25  # of the leads that have had their horizon, the latest
ALLOWED_BEHIND = 0.01  # of AUC, to the better of the plain models
HIGHEST_CALIBRATION_ERROR = 0.05
SLOPES = (0.67, 1.5)
RECORD = "trial record"


def spine(tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Return one row a lead and landmark at which it was open, with its end as far as it is known."""
    return landmarks(tables["leads"], known_until=known_until(tables["leads"]))


def fit(
    frame: pd.DataFrame, *, as_of: datetime, seed: int, threads: int, trial: Trial | None = None
) -> Scorer:
    """Return a scorer trained on what was known at ``as_of``, by a trial's recipe and with its record."""
    judged = None if trial is None else trial.judged
    chosen = judged.recipe if isinstance(judged, Scorer) else None
    scorer = train(frame, as_of=pd.Timestamp(as_of), seed=seed, threads=threads, chosen=chosen)
    if trial is None:
        return scorer
    record = {
        "from": trial.cutoff.isoformat(),
        "until": trial.until.isoformat(),
        "bands": trial.report["score bands, as_known"],
    }
    return replace(scorer, note={**scorer.note, RECORD: record})


def backtest(
    frame: pd.DataFrame, *, cutoff: datetime, until: datetime | None, seed: int, threads: int
) -> Backtest:
    """Train on what was known before ``cutoff`` and judge on the leads that came in ``[cutoff, until)``."""
    end = None if until is None else pd.Timestamp(until)
    return run_backtest(frame, Terms(pd.Timestamp(cutoff), end, seed=seed, threads=threads))


def default_cutoff(frame: pd.DataFrame) -> datetime:
    """Return when the latest quarter of the leads that have had their horizon began to come."""
    due = frame["created_at"] + pd.Timedelta(days=horizon_of(frame))
    leads = frame[due <= frame["known_until"]].drop_duplicates("lead_id")
    created = (leads if len(leads) else frame)["created_at"]
    cutoff: datetime = created.sort_values().iloc[int(len(created) * (1 - TRIAL_SHARE))]
    return pd.Timestamp(cutoff).to_pydatetime()


def trial(frame: pd.DataFrame, *, seed: int, threads: int) -> Trial:
    """Train before the latest quarter of the leads and judge on it, as known at each moment."""
    cutoff = default_cutoff(frame)
    found = backtest(frame, cutoff=cutoff, until=None, seed=seed, threads=threads)
    overall = found.row("overall, as_known", "all")
    return Trial(
        cutoff=cutoff,
        until=frame["known_until"].max().to_pydatetime(),
        figures={_plain(name): figure.value for name, figure in overall.figures.items()},
        report=found.as_json(),
        losses=losses_of(found.predictions),
        judged=found.scorer,
    )


def losses(folder: Path, frame: pd.DataFrame, *, since: datetime) -> pd.DataFrame:
    """Return the log loss of a saved scorer on each matured row of leads that came from ``since`` on."""
    scorer = artifact.load(folder)
    later = frame[frame["created_at"] >= since]
    test = later[labels(later).matured].sort_values("event_timestamp", kind="stable")
    said = judge(scorer, test.reset_index(drop=True), "as_known")
    predictions = test.reset_index(drop=True).assign(
        closed=said.closed, probability=said.probability
    )
    return losses_of(predictions)


def speaker(folder: Path) -> Speaker:
    """Return the calibrated log-odds that a saved scorer gives."""
    scorer = artifact.load(folder)
    names = scorer.matrix.names
    return Speaker(
        names,
        lambda rows: pd.DataFrame(scorer.table(rows), columns=list(names)),
        lambda table: scorer.margin(table.to_numpy(np.float64)),
    )


def save(fitted: Scorer, folder: Path, *, notes: Mapping[str, object]) -> None:
    """Write the scorer with its manifest and the notes on where it comes from."""
    artifact.save(fitted, folder)
    (folder / "notes.json").write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")


def problems(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a trial forbids promotion: behind a plain model, or odds that do not come true."""
    ours = report["side by side, as_known"]["ours"]
    found = []
    for name in ("logistic regression", "untuned LightGBM"):
        plain = report["side by side, as_known"][name]["AUC"]["value"]
        if not ours["AUC"]["value"] >= plain - ALLOWED_BEHIND:
            found.append(
                f"AUC: expected at least {plain - ALLOWED_BEHIND:.4f} ({name} less "
                f"{ALLOWED_BEHIND}), got {ours['AUC']['value']:.4f}"
            )
    error = ours["dECE"].get("low", ours["dECE"]["value"])
    if not error <= HIGHEST_CALIBRATION_ERROR:
        found.append(
            f"debiased calibration error: expected at most {HIGHEST_CALIBRATION_ERROR} on later "
            f"leads, got {ours['dECE']['value']:.4f} (at least {error:.4f})"
        )
    low, high = ours["slope"].get("low", np.nan), ours["slope"].get("high", np.nan)
    if high < SLOPES[0] or low > SLOPES[1]:
        found.append(
            f"calibration slope: expected within {SLOPES[0]} to {SLOPES[1]}, "
            f"got {ours['slope']['value']:.2f}"
        )
    return tuple(found)


def _plain(name: str) -> str:
    return name.lower().replace("@", "_at_").replace(" ", "_").replace("-", "_")
