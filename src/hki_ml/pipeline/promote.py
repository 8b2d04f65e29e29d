"""A candidate becomes champion if it passes its gate; otherwise nothing changes and the reasons are told."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hki_ml.catalog import room
from hki_ml.errors import NotFound
from hki_ml.pipeline.train import CHALLENGER, CHAMPION, LOSSES_FILE, TRIAL_FILE, examples
from hki_ml.ports import ModelVersion
from hki_ml.wiring import Backend

MIN_PAIRS = 200  # later examples that both models are judged on
MARGIN = 0.02  # a candidate may be this share worse than the champion and still be "not worse"
RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate said: ``champion`` is who serves from now on."""

    candidate: ModelVersion
    champion: ModelVersion | None
    promoted: bool
    reasons: tuple[str, ...]


def promote(backend: Backend, model: str, *, as_of: datetime) -> Verdict:
    """Judge the challenger and, if it passes, let it be champion.

    The first champion needs a trial that passes its room's own checks. A later one must also be
    not worse than the champion on the same later examples, pair by pair; too few of them is an
    answer of its own. What the champion is judged on it has never seen: the examples of its own
    trial, and those that came after it was trained.

    Raises
    ------
    NotFound
        If there is no challenger.
    """
    candidate = backend.registry.resolve(model, CHALLENGER)
    champion = backend.registry.resolve(model, CHAMPION)
    if candidate is None:
        raise NotFound(f"expected a challenger of {model} to promote, got none: train it first")
    if champion is not None and champion.version == candidate.version:
        return Verdict(candidate, champion, promoted=False, reasons=("already champion",))
    reasons = _reasons(backend, candidate, champion, as_of)
    if reasons:
        return Verdict(candidate, champion, promoted=False, reasons=reasons)
    backend.registry.point(model, CHAMPION, candidate.version)
    return Verdict(candidate, candidate, promoted=True, reasons=())


def _reasons(
    backend: Backend, candidate: ModelVersion, champion: ModelVersion | None, as_of: datetime
) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory() as made:
        theirs = backend.registry.download(candidate, Path(made) / "candidate")
        report: dict[str, Any] = json.loads((theirs / TRIAL_FILE).read_text())
        reasons = room(candidate.model).problems(report)
        if reasons or champion is None:
            return reasons
        ours = backend.registry.download(champion, Path(made) / "champion")
        later = _later_losses(backend, champion, ours, as_of)
        return compare(pd.read_parquet(theirs / LOSSES_FILE), later)


def _later_losses(
    backend: Backend, champion: ModelVersion, folder: Path, as_of: datetime
) -> pd.DataFrame:
    """Return the champion's losses on what it has never seen."""
    trial = pd.read_parquet(folder / LOSSES_FILE)
    trained_until = datetime.fromisoformat(champion.tags["as_of"])
    frame = examples(backend, champion.model, as_of=as_of)
    if not (frame["event_timestamp"] >= trained_until).any():
        return trial
    since = room(champion.model).losses(folder, frame, since=trained_until)
    return pd.concat([trial, since], ignore_index=True)


def compare(candidate: pd.DataFrame, champion: pd.DataFrame, *, seed: int = 0) -> tuple[str, ...]:
    """Return why the candidate may not replace the champion; nothing if it is not worse.

    Both frames have ``example_id`` and ``loss``. Not worse: the upper end of the 95 % interval
    (paired bootstrap) of the mean difference lies below ``MARGIN`` of the champion's mean loss.
    """
    pairs = candidate.merge(champion, on="example_id", suffixes=("_candidate", "_champion"))
    if len(pairs) < MIN_PAIRS:
        expected = f"at least {MIN_PAIRS} later examples that both models have not seen"
        return (f"insufficient evidence: expected {expected}, got {len(pairs)}",)
    difference = (pairs["loss_candidate"] - pairs["loss_champion"]).to_numpy()
    draws = np.random.default_rng(seed).integers(0, len(pairs), (RESAMPLES, len(pairs)))
    upper = float(np.quantile(difference[draws].mean(axis=1), 0.975))
    allowed = MARGIN * float(pairs["loss_champion"].mean())
    if upper <= allowed:
        return ()
    found = (
        f"its 95 % interval reaches {upper:+.5f} (mean {difference.mean():+.5f}, n {len(pairs)})"
    )
    return (f"not shown to be as good: expected a loss higher by at most {allowed:.5f}, {found}",)
