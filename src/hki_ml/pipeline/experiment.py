"""An experiment as rows of the ledger: begun in the shadow, grown by stages, ended by whoever has cause."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from hki_ml.alerts import alert, send
from hki_ml.errors import BadInput, Conflict, NotFound
from hki_ml.ledger import (
    ENDED,
    PROMOTED,
    STAGED,
    TABLE,
    Entry,
    Experiment,
    entries,
    refused_for,
    running,
)
from hki_ml.ledger import taken_back as were_taken_back
from hki_ml.pipeline.ledger import Decision, record, settle
from hki_ml.pipeline.train import CHALLENGER, CHAMPION
from hki_ml.ports import ModelVersion
from hki_ml.wiring import Backend

log = structlog.get_logger()

SPLIT: tuple[str, ...] = ("lead_scoring", "conversion", "time_to_close")
"""The models whose answers can be split: those that are asked about a lead."""
STAGES: tuple[float, ...] = (0.0, 0.01, 0.10, 0.50, 1.0)
"""Shares of the entities that get the challenger's answers; at 0 it is only asked in the shadow."""


def start(backend: Backend, model: str, *, at: datetime, because: str) -> Entry:
    """Begin an experiment between champion and challenger, in the shadow.

    Raises
    ------
    BadInput
        If answers of this model cannot be split.
    NotFound
        If one of the two is missing.
    Conflict
        If an experiment runs already, both are the same, or the challenger was taken back before or
        refused for what is wrong with it: an experiment asks which is better, not whether one is sound.
    """
    if model not in SPLIT:
        raise BadInput(
            f"expected a model whose answers can be split ({', '.join(SPLIT)}), got {model}"
        )
    known = settle(backend, model, at=at)
    now = running(known)
    if now is not None:
        raise Conflict(f"the experiment {now.name} of {model} runs already: end it first")
    champion, challenger = _both(backend, model)
    if challenger.version == champion.version:
        raise Conflict(f"champion and challenger of {model} are the same version")
    if challenger.version in were_taken_back(known):
        raise Conflict(f"version {challenger.version} of {model} was taken back before")
    faults = refused_for(known, challenger.version)
    if faults:
        raise Conflict(f"version {challenger.version} of {model} was refused: {'; '.join(faults)}")
    name = f"{model}/{known[-1].number + 1 if known else 1}"
    staged = Decision(
        STAGED, challenger, champion.version, (because,), {"name": name, "share": STAGES[0]}
    )
    return record(backend, staged, at=at, after=known)


def _both(backend: Backend, model: str) -> tuple[ModelVersion, ModelVersion]:
    found = [backend.registry.resolve(model, alias) for alias in (CHAMPION, CHALLENGER)]
    if found[0] is None or found[1] is None:
        raise NotFound(f"expected a champion and a challenger of {model}, got {found}")
    return found[0], found[1]


def stage(backend: Backend, model: str, share: float, *, at: datetime, because: str) -> Entry:
    """Give the challenger of the running experiment another share of the entities.

    Raises
    ------
    NotFound
        If none runs.
    BadInput
        If the share is none of ``STAGES``.
    """
    if share not in STAGES:
        raise BadInput(f"expected a share of {', '.join(map(str, STAGES))}, got {share}")
    known = settle(backend, model, at=at)
    now = running(known)
    if now is None:
        raise NotFound(f"no experiment of {model} runs")
    challenger = backend.registry.version(model, now.challenger)
    evidence = {"name": now.name, "share": share}
    staged = Decision(STAGED, challenger, now.champion, (because,), evidence)
    return record(backend, staged, at=at, after=known)


def end(backend: Backend, experiment: Experiment, *, at: datetime, because: str) -> Entry | None:
    """Let the champion answer everybody again; ``None`` if the experiment had ended already."""
    for _ in range(5):
        known = entries(backend.lake, experiment.model)
        now = running(known)
        if now is None or now.name != experiment.name:
            return None
        challenger = backend.registry.version(experiment.model, experiment.challenger)
        ended = Decision(
            ENDED, challenger, experiment.champion, (because,), {"name": experiment.name}
        )
        try:
            return record(backend, ended, at=at, after=known)
        except Conflict:
            continue  # another decision came between: look again whether it is the end
    raise Conflict(f"expected to end {experiment.name} within 5 attempts, others were faster")


def tell_stopped(backend: Backend, experiment: Experiment, reason: str, *, at: datetime) -> None:
    """Send the alert that an experiment ended because of harm."""
    summary = f"{experiment.model}: experiment {experiment.name} ended: {reason}"
    send(backend.settings, alert("experiment-stopped", experiment.name, summary), now=at)


def win(backend: Backend, experiment: Experiment, *, at: datetime, because: str) -> Entry:
    """Let the challenger be champion.

    Raises
    ------
    Conflict
        If the experiment is not the one that runs.
    """
    known = settle(backend, experiment.model, at=at)
    now = running(known)
    if now is None or now.name != experiment.name:
        raise Conflict(f"the experiment {experiment.name} does not run any more")
    challenger = backend.registry.version(experiment.model, experiment.challenger)
    won = Decision(PROMOTED, challenger, experiment.champion, (because,), {"name": experiment.name})
    return record(backend, won, at=at, after=known)


class LedgerExperiments:
    """What a service asks every few seconds: the ledger is read again only when it has grown."""

    def __init__(self, backend: Callable[[], Backend]) -> None:
        self._backend = backend
        self._version = -1
        self._known: dict[str, Experiment | None] = {}

    def running(self, model: str) -> Experiment | None:
        """Return the experiment of a model that runs now."""
        lake = self._backend().lake
        version = lake.version(TABLE)
        if version != self._version:
            self._known.clear()
            self._version = version
        if model not in self._known:
            self._known[model] = running(entries(lake, model)) if version >= 0 else None
        return self._known[model]

    def stop(self, experiment: Experiment, reason: str) -> None:
        """Write down that it ended, and tell it: of several that notice, one does."""
        at, backend = datetime.now(UTC), self._backend()
        if end(backend, experiment, at=at, because=reason) is not None:
            tell_stopped(backend, experiment, reason, at=at)
