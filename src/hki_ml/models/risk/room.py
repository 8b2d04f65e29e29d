"""The room's answers to the verbs of the path: will a contract fall through, and what does it cost?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from hki_ml.learning.contracts import contract_moments
from hki_ml.learning.lead_labels import hide_later, known_until
from hki_ml.models.model import Report, Speaker, Target, Trial
from hki_ml.models.risk import artifact
from hki_ml.models.risk.answer import BANDS
from hki_ml.models.risk.cases import backtest as backtest_cases
from hki_ml.models.risk.evaluate import backtest as backtest_contracts
from hki_ml.models.risk.evaluate import losses_of
from hki_ml.models.risk.features import table
from hki_ml.models.risk.labels import is_of_contracts, labelled
from hki_ml.models.risk.predict import RiskAssessor
from hki_ml.models.risk.train import train

NAME = "risk"
SERVICE = NAME
TABLES = ("leads",)
TARGETS = (
    Target("AUC of falling through", ("contracts", "ours", "AUC"), "design", low=0.75),
    Target(
        "debiased calibration error", ("contracts", "ours", "ECE_debiased"), "design", high=0.03
    ),
)
TEST_SHARE = 0.25
ALLOWED_BEHIND = 1.02  # of the log loss, behind boosted trees


def spine(tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Return one row a contract and day 0, 7, 14 after it while open; its state is joined as of then."""
    return contract_moments(tables["leads"], known_until=known_until(tables["leads"]))


def fit(
    frame: pd.DataFrame, *, as_of: datetime, seed: int, threads: int, trial: Trial | None = None
) -> RiskAssessor:
    """Return a model trained on the contracts whose end is known at ``as_of``."""
    del threads, trial
    known = frame[frame["event_timestamp"] < pd.Timestamp(as_of)]
    return train(
        labelled(hide_later(known, pd.Timestamp(as_of))), as_of=pd.Timestamp(as_of), seed=seed
    )


def backtest(
    frame: pd.DataFrame, *, cutoff: datetime, until: datetime | None, seed: int, threads: int
) -> Report:
    """Train on what was known before ``cutoff`` and judge on contracts, or cases, from then on."""
    end = None if until is None else pd.Timestamp(until)
    judge = backtest_contracts if is_of_contracts(frame) else backtest_cases
    return judge(frame, cutoff=pd.Timestamp(cutoff), until=end, seed=seed, threads=threads)


def default_cutoff(frame: pd.DataFrame) -> datetime:
    """Return where the last quarter of the contracts, or of the cases, begins."""
    moments = frame["contract_at" if is_of_contracts(frame) else "created_at"]
    latest = moments.sort_values().iloc[int(len(moments) * (1 - TEST_SHARE))]
    cutoff: datetime = pd.Timestamp(latest).normalize().to_pydatetime()
    return cutoff


def trial(frame: pd.DataFrame, *, seed: int, threads: int) -> Trial:
    """Train before the default cut-off and judge on the contracts signed from it on."""
    cutoff = default_cutoff(frame)
    found = backtest_contracts(
        frame, cutoff=pd.Timestamp(cutoff), until=None, seed=seed, threads=threads
    )
    return Trial(
        cutoff=cutoff,
        until=frame["contract_at"].max().to_pydatetime(),
        figures=found.figures(),
        report=found.as_json(),
        losses=found.losses,
        judged=found.model,
    )


def losses(folder: Path, frame: pd.DataFrame, *, since: datetime) -> pd.DataFrame:
    """Return a saved model's log loss on each contract whose end is known, signed from ``since`` on."""
    model = artifact.load(folder)
    test = labelled(frame[frame["contract_at"] >= since])
    return losses_of(test, model.probabilities(test.rows))


def speaker(folder: Path) -> Speaker:
    """Return the log-odds of being lost that a saved model gives."""
    model = artifact.load(folder)
    names = tuple(dict.fromkeys(term.feature for term in model.design.terms))
    return Speaker(
        names,
        lambda rows: table(rows).reindex(columns=list(names)),
        lambda seen: model.intercept + model.design.matrix(seen) @ model.weights,
    )


def save(fitted: RiskAssessor, folder: Path, *, notes: Mapping[str, object]) -> None:
    """Write the model with its manifest and the notes on where it comes from."""
    artifact.save(fitted, folder)
    (folder / "notes.json").write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")


def problems(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a trial forbids promotion: worse than trees or the base rate, or bands out of order."""
    table = report["contracts"]
    ours = table["ours"]["log_loss"]["value"]
    found = []
    for rival, allowed in (("boosted trees", ALLOWED_BEHIND), ("base rate", 1.0)):
        theirs = table[rival]["log_loss"]["value"]
        if not ours <= theirs * allowed:
            found.append(f"log loss: expected at most {theirs:.4g} ({rival}), got {ours:.4g}")
    bands = report["bands"]  # a stored report has its keys in order of the alphabet
    lost = [bands[name]["lost"]["value"] for name in BANDS if name in bands]
    if lost != sorted(lost):
        found.append(f"bands: expected a loss rate that rises, got {lost}")
    return tuple(found)
