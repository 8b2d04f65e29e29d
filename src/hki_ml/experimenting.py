"""An experiment judged by what its own answers say: the split, harm, calibration; and its next step.

Every answer was recorded with its arm and how likely that was, so that nothing here depends on what a
service remembers. In the shadow nobody gets the challenger's answers: it is asked again what the
champion was asked, from the recorded features.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hki_ml.errors import NotFound
from hki_ml.ledger import CHALLENGER_ARM, Experiment, entries, place, running
from hki_ml.metrics.calibration import debiased_ece
from hki_ml.metrics.groups import FOUR_FIFTHS, ByGroup, figures
from hki_ml.metrics.sequential import difference, ratio_mismatch
from hki_ml.metrics.table import Figure
from hki_ml.pipeline.experiment import SPLIT, STAGES, end, stage, tell_stopped, win
from hki_ml.pipeline.groups import groups_of_leads
from hki_ml.pipeline.ingest import ingest
from hki_ml.serving.lead_model import CALLS, reply_of
from hki_ml.serving.leads import asked_of
from hki_ml.tables import LEAD_STATE
from hki_ml.transforms.events import event_of
from hki_ml.wiring import Backend

HORIZON = timedelta(days=90)
BROKEN_SPLIT = 0.001
HARM_MARGIN = 0.02  # closings among leads: the challenger may be shown to cost at most this
FEWEST_CALIBRATED = 300
CALIBRATION_MARGIN = 0.02
FEWEST_SHADOWED, MOST_SHADOWED = 100, 500
SHADOW_SLOWER = 2.0
RATED_HIGHEST = 0.2  # the share of leads by which groups are compared
STAYS = {0.0: 0, 0.01: 1, 0.10: 7, 0.50: 14, 1.0: 1}
"""Days that an experiment stays at a share at least."""
GIVEN_UP_AFTER = timedelta(days=180)
WAIT, ADVANCE, STOP, WIN = "wait", "advance", "stop", "win"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an experiment shows so far, and what is to be done about it."""

    experiment: Experiment
    action: str
    reason: str
    evidence: dict[str, Any] = field(default_factory=dict)


def step(backend: Backend, model: str, *, at: datetime) -> Judgement:
    """Judge the running experiment of a model and take its next step, if it has cause for one.

    Raises
    ------
    NotFound
        If none runs.
    """
    found = judge(backend, model, at=at)
    experiment = found.experiment
    if found.action == STOP:
        end(backend, experiment, at=at, because=found.reason)
    elif found.action == WIN:
        win(backend, experiment, at=at, because=found.reason)
    elif found.action == ADVANCE:
        share = STAGES[STAGES.index(experiment.share) + 1]
        stage(backend, model, share, at=at, because=found.reason)
    return found


def step_all(backend: Backend, *, at: datetime) -> tuple[Judgement, ...]:
    """Judge every experiment that runs and take its next step; one that is stopped is told."""
    found = []
    for model in SPLIT:
        if running(entries(backend.lake, model)) is None:
            continue
        said = step(backend, model, at=at)
        if said.action == STOP:
            tell_stopped(backend, said.experiment, said.reason, at=at)
        found.append(said)
    return tuple(found)


def judge(backend: Backend, model: str, *, at: datetime) -> Judgement:
    """Return what the running experiment of a model shows; nothing is changed.

    Raises
    ------
    NotFound
        If none runs.
    """
    experiment = running(entries(backend.lake, model))
    if experiment is None:
        raise NotFound(f"no experiment of {model} runs")
    ingest(backend.bus, backend.lake, ingested_at=at)
    if experiment.share == 0:
        return _in_the_shadow(backend, experiment)
    units = exposures(backend, experiment)
    evidence: dict[str, Any] = {"units": len(units)}
    stop = _split_or_harm(units, at, evidence)
    stop = stop or _groups_fare_worse(units, groups_of_leads(backend.lake), evidence)
    if stop is not None:
        return Judgement(experiment, STOP, stop, evidence)
    stays = timedelta(days=STAYS[experiment.share])
    if at - experiment.since < stays:
        return Judgement(experiment, WAIT, f"stays at {experiment.share:.0%} for {stays.days} days")
    return _onwards(experiment, evidence, at)


def _onwards(experiment: Experiment, evidence: dict[str, Any], at: datetime) -> Judgement:
    share = experiment.share
    if share == 1.0:
        return Judgement(experiment, WIN, "it answered everybody without harm", evidence)
    if share < 0.5:
        return Judgement(experiment, ADVANCE, f"no harm seen at {share:.0%}", evidence)
    low = evidence["closings"]["low"]
    if low > -HARM_MARGIN:
        why = f"closings at most {HARM_MARGIN:.0%} below the champion's (lower bound {low:+.3f})"
        return Judgement(experiment, ADVANCE, why, evidence)
    if at - experiment.started > GIVEN_UP_AFTER:
        why = f"{GIVEN_UP_AFTER.days} days have not shown that it does no harm: the champion stays"
        return Judgement(experiment, STOP, why, evidence)
    return Judgement(experiment, WAIT, "not enough leads have had their 90 days", evidence)


def exposures(backend: Backend, experiment: Experiment) -> pd.DataFrame:
    """Return each entity's first answer that was drawn: its arm, its propensity, and how it ended.

    Columns ``entity``, ``treated``, ``propensity``, ``at``, ``probability``, ``version`` and
    ``closed_at`` (missing while open, or lost).
    """
    rows = []
    for row in backend.lake.read("events", where=("event_type", "prediction.made")).to_pylist():
        if row["occurred_at"] < experiment.started:
            continue
        made: Any = event_of(row).properties
        told = made.made_from.get("experiments", {}).get(experiment.name)
        if told is not None:
            rows.append(
                {
                    "entity": row["entity_id"], "at": row["occurred_at"],
                    "treated": told["arm"] == CHALLENGER_ARM, "share": told["propensity"],
                    "probability": made.answer.get("predictedConversion", np.nan),
                    "version": made.versions.get(experiment.model),
                }
            )  # fmt: skip
    columns = ["entity", "at", "treated", "share", "probability", "version"]
    units = pd.DataFrame(rows, columns=columns).sort_values("at", kind="stable")
    units["treated"] = units["treated"].astype(bool)
    units = drawn(units, experiment)
    leads = backend.lake.read("leads", columns=["lead_id", "outcome", "ended_at"]).to_pandas()
    closed = leads[leads["outcome"] == "closed"].set_index("lead_id")["ended_at"]
    return units.assign(closed_at=pd.to_datetime(units["entity"].map(closed), utc=True))


def drawn(units: pd.DataFrame, experiment: Experiment) -> pd.DataFrame:
    """Return the first row of each entity after the shadow, less those who changed their arm since.

    Who had the champion at a smaller share and falls to the challenger now has seen both. Leaving them
    out hangs on the hash alone; of those left, share / (share + 1 - share now) were to be treated.
    """
    now = min(experiment.share, 0.5)  # at 100 % all have changed: what was drawn until then is kept
    treated = units["treated"].to_numpy(bool)
    share = np.where(treated, units["share"], 1 - units["share"])
    units = units.assign(share=share)[share > 0].drop_duplicates("entity")
    spot = np.array([place(experiment.name, each) for each in units["entity"]])
    units = units[units["treated"].to_numpy(bool) | (spot >= now)].reset_index(drop=True)
    share = units["share"].to_numpy(np.float64)
    return units.assign(propensity=share / (share + np.minimum(1 - now, 1 - share)))


def _split_or_harm(units: pd.DataFrame, at: datetime, evidence: dict[str, Any]) -> str | None:
    """Return why the experiment has to stop, if it has; what was seen is added to the evidence."""
    treated = units["treated"].to_numpy(bool)
    share = units["propensity"].to_numpy(np.float64)
    inside = (share > 0) & (share < 1)
    chance = ratio_mismatch(treated[inside], share[inside])
    evidence["split_p"] = chance
    if chance < BROKEN_SPLIT:
        return f"the split is broken: {treated.sum()} of {len(treated)} got the challenger (p {chance:.1e})"
    matured = inside & ((at - units["at"]) >= HORIZON).to_numpy(bool)
    some = units[matured]
    took = (some["closed_at"] - some["at"]) <= HORIZON
    closed = np.asarray(took, np.float64)
    found = difference(closed, treated[matured], share[matured])
    evidence["closings"] = asdict(found)
    if found.high < 0:
        return f"it costs closings: {found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    return _odds_that_do_not_come_true(some, closed, evidence)


def _odds_that_do_not_come_true(
    some: pd.DataFrame, closed: np.ndarray[Any, Any], evidence: dict[str, Any]
) -> str | None:
    known = some["probability"].notna().to_numpy(bool)
    errors = {}
    for arm in (True, False):
        chosen = known & (some["treated"].to_numpy(bool) == arm)
        if chosen.sum() < FEWEST_CALIBRATED:
            return None
        said = some["probability"].to_numpy(np.float64)[chosen]
        errors[arm] = debiased_ece(closed[chosen], said)
    evidence["calibration_error"] = {"challenger": errors[True], "champion": errors[False]}
    if errors[True] <= errors[False] + CALIBRATION_MARGIN:
        return None
    return f"its odds do not come true: off by {errors[True]:.3f} beside {errors[False]:.3f}"


def _groups_fare_worse(
    units: pd.DataFrame, groups: pd.DataFrame, evidence: dict[str, Any]
) -> str | None:
    """Return why the challenger's odds are less fair than the champion's, if they are shown to be.

    Who got which was drawn, so that the fifth that each rates highest can be compared by groups.
    """
    known = units[units["probability"].notna()]
    for attribute in groups.columns:
        ratio: dict[bool, Figure] = {}
        for arm in (True, False):
            some = known[known["treated"].to_numpy(bool) == arm]
            group = groups[attribute].reindex(some["entity"]).to_numpy(object)
            by, said = ByGroup(group, np.zeros(len(some))), some["probability"].to_numpy(np.float64)
            if len(by.levels) > 1:
                highest = said >= np.quantile(said, 1 - RATED_HIGHEST)
                ratio[arm] = figures(by, highest, some["entity"].to_numpy(object)).impact_ratio
        if len(ratio) < 2:
            continue
        ours, theirs = ratio[True], ratio[False]
        evidence[f"impact_ratio of {attribute}"] = {
            "challenger": ours.as_json(), "champion": theirs.as_json()
        }  # fmt: skip
        if ours.value < FOUR_FIFTHS and (ours.high or 1.0) < (theirs.low or 0.0):
            return f"groups of {attribute} fare worse: impact ratio {ours} beside the champion's {theirs}"
    return None


def _in_the_shadow(backend: Backend, experiment: Experiment) -> Judgement:
    """Ask both versions what was asked lately, from the features as they were recorded."""
    rows = backend.lake.read("events", where=("event_type", "prediction.made")).to_pylist()
    asked = [event_of(row) for row in rows]
    model = experiment.model
    mine: list[Any] = [e for e in asked if _is_of(model, e.properties)]
    mine = sorted(mine, key=lambda event: event.occurred_at)[-MOST_SHADOWED:]
    if len(mine) < FEWEST_SHADOWED:
        why = f"expected {FEWEST_SHADOWED} recorded answers to ask the challenger too, got {len(mine)}"
        return Judgement(experiment, WAIT, why, {"asked": len(mine)})
    took: dict[str, list[float]] = {}
    failed = 0
    with tempfile.TemporaryDirectory() as made:
        for version in (experiment.champion, experiment.challenger):
            loaded = _load(backend, model, version, Path(made))
            took[version] = []
            for event in mine:
                begun = time.process_time()
                try:
                    _ask(model, loaded, version, event)
                except Exception:  # noqa: BLE001 - whatever it is, it is counted
                    failed += version == experiment.challenger
                took[version].append(time.process_time() - begun)
    usual, theirs = (1e3 * float(np.median(each)) for each in took.values())
    evidence = {"asked": len(mine), "failed": failed, "cpu_ms": [usual, theirs]}
    if failed:
        return Judgement(experiment, STOP, f"it failed at {failed} of {len(mine)}", evidence)
    if theirs > SHADOW_SLOWER * usual + 1:
        why = f"it takes {theirs:.2f} ms of CPU beside {usual:.2f} ms"
        return Judgement(experiment, STOP, why, evidence)
    return Judgement(experiment, ADVANCE, f"answered {len(mine)} recorded questions", evidence)


def _is_of(model: str, made: Any) -> bool:
    """Tell whether an answer is one that a version of the model gave."""
    return bool(made.model == model and made.versions)


def _load(backend: Backend, model: str, version: str, into: Path) -> Any:
    folder = backend.registry.download(backend.registry.version(model, version), into / version)
    return import_module(f"hki_ml.models.{model}.predict").load(folder, version)


def _ask(model: str, loaded: Any, version: str, event: Any) -> None:
    made = event.properties
    state = {name: made.features.get(name) for name in LEAD_STATE.names}
    reply_of(loaded, version, asked_of(state, None, made.as_of), CALLS[model])
