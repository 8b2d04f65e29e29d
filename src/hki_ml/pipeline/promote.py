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
from hki_ml.ledger import FAULTS, Entry, running, taken_back
from hki_ml.pipeline import gates
from hki_ml.pipeline.answer_cost import answer_costs
from hki_ml.pipeline.gates import Comparison, Protected, shrunken
from hki_ml.pipeline.groups import groups_of_leads
from hki_ml.pipeline.incidents import latest
from hki_ml.pipeline.ledger import Decision, record, settle
from hki_ml.pipeline.meeting import since_learned
from hki_ml.pipeline.train import (
    CHALLENGER,
    CHAMPION,
    LOSSES_FILE,
    MEETING_FILE,
    MET_SINCE,
    TRIAL_FILE,
    examples,
)
from hki_ml.pipeline.treated import FAVOURS
from hki_ml.ports import Lake, ModelVersion
from hki_ml.wiring import Backend

REFRESH_AFTER = {"valuation": timedelta(days=28)}
USUALLY_AFTER = timedelta(days=180)
"""A champion whose data end this long before the candidate's may be replaced by one as good.

Values follow the market by an index, and their intervals widen with its age: a month is old.
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate said: ``champion`` is who serves from now on."""

    candidate: ModelVersion
    champion: ModelVersion | None
    promoted: bool
    reasons: tuple[str, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)


def refresh_after(model: str) -> timedelta:
    """Return how old a champion's data are when one as good may replace it."""
    return REFRESH_AFTER.get(model, USUALLY_AFTER)


def promote(backend: Backend, model: str, *, as_of: datetime) -> Verdict:
    """Judge the challenger and, if it passes, let it be champion; either way the ledger says so.

    The first champion needs a trial that passes its room's own checks. A later one must also be
    shown to be better than the champion on the same later examples, in pairs, and as good in every
    segment of size; or as good, if the champion has grown old or the world has moved since it
    learned (an incident that asks for retraining). Too few examples is an answer of its own. What
    the champion is judged on it has never seen: the examples of its own trial, and those that came
    after it was trained; where there are enough of these, they alone (see `meeting`).
    While an experiment runs nobody is promoted: it compares two as they are.

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
    trying = running(known)
    if trying is not None:
        why = f"experiment {trying.name} runs on the champion: it ends first (hki experiment end)"
        return Verdict(candidate, champion, promoted=False, reasons=(why,))
    said = _judged(backend, candidate, champion, known, as_of)
    moved = moved_since(backend.lake, candidate, champion)
    refused = (*said.refusals, *_why_not(said.finding, said.reasons, candidate, champion, moved))
    decision = "refused" if refused else "promoted"
    replaced = None if champion is None else champion.version
    reasons = refused or (*said.reasons, *moved)
    try:
        if not _said_already(known, candidate.version, decision, reasons):
            evidence = {**said.evidence, FAULTS: list(said.refusals)}
            taken = Decision(decision, candidate, None if refused else replaced, reasons, evidence)
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
        frame = examples(backend, champion.model, as_of=as_of)
        found = gates.compare(
            compared_by(candidate, theirs, champion),
            _later_losses(champion, ours, frame),
            protected=_protected(backend, champion.model),
        )
        costs = answer_costs(room(champion.model), (theirs, ours), frame)
    less = shrunken(candidate.tags, champion.tags)
    late = None if costs is None else gates.slower(*costs)
    refusals = (*(why for why in (less, late) if why), *found.refusals)
    told = {} if costs is None else dict(zip(("candidate", "champion"), costs, strict=True))
    return Comparison(
        found.finding, found.reasons, refusals, {**found.evidence, "cpu_us_a_row": told}
    )


def _protected(backend: Backend, model: str) -> Protected | None:
    """Return the groups that both are looked at by, if the model decides on people and any are known."""
    if model not in FAVOURS:
        return None
    return Protected(groups_of_leads(backend.lake), FAVOURS[model])


def compared_by(candidate: ModelVersion, folder: Path, champion: ModelVersion) -> pd.DataFrame:
    """Return what a candidate is compared by: its meeting with the champion, else its trial."""
    met = candidate.tags.get(MET_SINCE)
    learned = datetime.fromisoformat(champion.tags["as_of"])
    is_met = met is not None and datetime.fromisoformat(met) >= learned
    return pd.read_parquet(folder / (MEETING_FILE if is_met else LOSSES_FILE))


def moved_since(
    lake: Lake, candidate: ModelVersion, champion: ModelVersion | None
) -> tuple[str, ...]:
    """Return what has drifted since the champion learned and the candidate has learned, if anything."""
    if champion is None:
        return ()
    ends = [datetime.fromisoformat(each.tags["as_of"]) for each in (champion, candidate)]
    return tuple(
        f"moved since the champion learned: {each.reason}"
        for each in latest(lake).values()
        if (each.model, each.route) == (candidate.model, "retrain")
        and each.state != "closed"
        and ends[0] < each.window_end <= ends[1]
    )[:1]


def _why_not(
    finding: str,
    reasons: Sequence[str],
    candidate: ModelVersion,
    champion: ModelVersion | None,
    moved: Sequence[str],
) -> tuple[str, ...]:
    """Return why a finding alone does not make a champion."""
    if finding == gates.BETTER or not reasons:
        return ()
    if finding == gates.AS_GOOD and moved:
        return ()
    if finding == gates.AS_GOOD and champion is not None:
        ends = [datetime.fromisoformat(each.tags["as_of"]) for each in (candidate, champion)]
        if ends[0] - ends[1] >= refresh_after(candidate.model):
            return ()
    return tuple(reasons)


def _later_losses(champion: ModelVersion, folder: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the champion's losses on what it has never seen."""
    trial = pd.read_parquet(folder / LOSSES_FILE)
    trained_until = datetime.fromisoformat(champion.tags["as_of"])
    since = since_learned(room(champion.model), folder, frame, learned=trained_until)
    if since is None:
        return trial
    return pd.concat([trial, since], ignore_index=True).drop_duplicates("example_id", keep="last")
