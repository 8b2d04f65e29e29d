"""A candidate becomes champion if it is shown to be better; otherwise nothing changes and it is told why."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from hki_ml.catalog import room
from hki_ml.errors import Conflict, NotFound
from hki_ml.pipeline import gates
from hki_ml.pipeline.gates import Comparison, shrunken
from hki_ml.pipeline.ledger import Decision, Entry, record, settle, taken_back
from hki_ml.pipeline.train import CHALLENGER, CHAMPION, LOSSES_FILE, TRIAL_FILE, examples
from hki_ml.ports import ModelVersion
from hki_ml.wiring import Backend

REFRESH_AFTER = timedelta(days=180)
"""A champion whose data end this long before the candidate's may be replaced by one as good."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate said: ``champion`` is who serves from now on."""

    candidate: ModelVersion
    champion: ModelVersion | None
    promoted: bool
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)


def promote(backend: Backend, model: str, *, as_of: datetime) -> Verdict:
    """Judge the challenger and, if it passes, let it be champion; either way the ledger says so.

    The first champion needs a trial that passes its room's own checks. A later one must also be
    shown to be better than the champion on the same later examples, in pairs, and as good in every
    segment of size; or as good, if the champion has grown old. Too few examples is an answer of its
    own. What the champion is judged on it has never seen: the examples of its own trial, and those
    that came after it was trained.

    Raises
    ------
    NotFound
        If there is no challenger.
    """
    candidate = backend.registry.resolve(model, CHALLENGER)
    if candidate is None:
        raise NotFound(f"expected a challenger of {model} to promote, got none: train it first")
    known = settle(backend, model, at=as_of)
    champion = backend.registry.resolve(model, CHAMPION)
    if champion is not None and champion.version == candidate.version:
        return Verdict(candidate, champion, promoted=False, reasons=("already champion",))
    said = _judged(backend, candidate, champion, known, as_of)
    refused = (*said.refusals, *_why_not(said.finding, said.reasons, candidate, champion))
    decision = "refused" if refused else "promoted"
    replaced = None if champion is None else champion.version
    reasons = refused or said.reasons
    try:
        if not _said_already(known, candidate.version, decision, reasons):
            taken = Decision(
                decision, candidate, None if refused else replaced, reasons, said.evidence
            )
            record(backend, taken, at=as_of, after=known)
    except Conflict as error:
        now = backend.registry.resolve(model, CHAMPION)
        return Verdict(candidate, now, promoted=False, reasons=(str(error),))
    serves = champion if refused else candidate
    return Verdict(candidate, serves, not refused, tuple(refused), said.evidence)


def _said_already(
    known: Sequence[Entry], version: str, decision: str, reasons: Sequence[str]
) -> bool:
    """Tell whether the last word about a version is this one: judging again changes nothing."""
    last = next((each for each in reversed(known) if each.version == version), None)
    return last is not None and (last.decision, last.reasons) == (decision, tuple(reasons))


def _judged(
    backend: Backend,
    candidate: ModelVersion,
    champion: ModelVersion | None,
    known: Sequence[Entry],
    as_of: datetime,
) -> Comparison:
    bad = taken_back(known).get(candidate.version)
    if bad is not None:
        why = "; ".join(bad.reasons)
        return Comparison(gates.UNCLEAR, (), (f"it was taken back on {bad.at:%Y-%m-%d}: {why}",))
    with tempfile.TemporaryDirectory() as made:
        theirs = backend.registry.download(candidate, Path(made) / "candidate")
        report: dict[str, Any] = json.loads((theirs / TRIAL_FILE).read_text())
        own = room(candidate.model).problems(report)
        if own or champion is None:
            return Comparison(gates.BETTER, ("the first champion",) if not own else (), own)
        ours = backend.registry.download(champion, Path(made) / "champion")
        later = _later_losses(backend, champion, ours, as_of)
        found = gates.compare(pd.read_parquet(theirs / LOSSES_FILE), later)
    less = shrunken(candidate.tags, champion.tags)
    refusals = (less, *found.refusals) if less else found.refusals
    return Comparison(found.finding, found.reasons, refusals, found.evidence)


def _why_not(
    finding: str, reasons: Sequence[str], candidate: ModelVersion, champion: ModelVersion | None
) -> tuple[str, ...]:
    """Return why a finding alone does not make a champion."""
    if finding == gates.BETTER or not reasons:
        return ()
    if finding == gates.AS_GOOD and champion is not None:
        ends = [datetime.fromisoformat(each.tags["as_of"]) for each in (candidate, champion)]
        if ends[0] - ends[1] >= REFRESH_AFTER:
            return ()
    return tuple(reasons)


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
    return pd.concat([trial, since], ignore_index=True).drop_duplicates("example_id", keep="last")
