"""Lake and feature store to a registered candidate, judged out of time."""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

import hki_ml
from hki_ml.catalog import room
from hki_ml.errors import NotEnoughData
from hki_ml.models.model import Model, Trial
from hki_ml.pipeline.card import CARD_FILE, card
from hki_ml.pipeline.groups import TABLE as GROUPS
from hki_ml.pipeline.groups import with_groups
from hki_ml.pipeline.meeting import Meeting, meet, since_learned
from hki_ml.pipeline.treated import FAVOURS, tables_of
from hki_ml.ports import ModelVersion
from hki_ml.tables import SCHEMAS
from hki_ml.wiring import Backend

if TYPE_CHECKING:
    import pandas as pd

CHALLENGER = "challenger"
CHAMPION = "champion"
TRIAL_FILE = "trial.json"
LOSSES_FILE = "trial_losses.parquet"
MEETING_FILE = "meeting_losses.parquet"
MET_SINCE = "met_since"
FAMILY_OF = {"deals": "deal.", "deal_offers": "deal.", "investor_state": "investor."}
"""Tables without a source of their own → kinds of event that they are made of."""


@dataclass(frozen=True, slots=True)
class Trained:
    """The candidate that a training run leads to; ``is_new`` is false if nothing had changed."""

    version: ModelVersion
    is_new: bool


def train(backend: Backend, model: str, *, as_of: datetime, seed: int = 0) -> Trained:
    """Train a model on what was known before ``as_of`` and register it as challenger.

    The model is trained twice: before a cut-off, to be judged on what came after it, and on
    everything, to be served; once more where enough came since the champion learned, to meet it
    there. Where data, code and seed are those of an existing version, that
    version is returned and nothing is trained.

    Raises
    ------
    NotEnoughData
        If there are too few examples to train on or to judge with.
    """
    rooms = room(model)
    fingerprint = _fingerprint(backend, rooms, seed)
    for version in backend.registry.versions(model):
        if version.tags.get("fingerprint") == fingerprint:
            return Trained(version, is_new=False)
    frame = examples(backend, model, as_of=as_of)
    trial = _audited(rooms, rooms.trial(frame, seed=seed, threads=backend.settings.threads), frame)
    fitted = rooms.fit(frame, as_of=as_of, seed=seed, threads=backend.settings.threads, trial=trial)
    notes = {**_notes(trial, fingerprint, as_of, seed), "examples": len(frame)}
    met = _meeting(backend, model, frame, seed)
    if met is not None:
        notes[MET_SINCE] = met.cutoff.isoformat()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "model"
        rooms.save(fitted, folder, notes=notes)
        _write_trial(trial, folder)
        if met is not None:
            met.losses.to_parquet(folder / MEETING_FILE, index=False)
        sources = _sources(backend, rooms)
        (folder / CARD_FILE).write_text(card(rooms, trial, notes, sources), encoding="utf-8")
        version = backend.registry.register(
            model,
            folder,
            figures=trial.figures,
            params={"seed": str(seed), "as_of": as_of.isoformat()},
            tags={key: str(value) for key, value in notes.items()},
        )
    backend.registry.point(model, CHALLENGER, version.version)
    return Trained(version, is_new=True)


def _audited(rooms: Model, trial: Trial, frame: pd.DataFrame) -> Trial:
    """Return the trial with how groups fared beside its figures, where any are known."""
    if rooms.NAME not in FAVOURS:
        return trial
    told = tables_of(frame, trial.losses, is_good=FAVOURS[rooms.NAME])
    return replace(trial, report={**trial.report, **told})


def _meeting(backend: Backend, model: str, frame: pd.DataFrame, seed: int) -> Meeting | None:
    champion = backend.registry.resolve(model, CHAMPION)
    if champion is None:
        return None
    learned = datetime.fromisoformat(champion.tags["as_of"])
    with tempfile.TemporaryDirectory() as made:
        folder = backend.registry.download(champion, Path(made))
        later = since_learned(room(model), folder, frame, learned=learned)
    if later is None:
        return None
    return meet(room(model), frame, later, seed=seed, threads=backend.settings.threads)


def examples(backend: Backend, model: str, *, as_of: datetime) -> pd.DataFrame:
    """Return the examples of a model that happened before ``as_of``, with features as of each."""
    rooms = room(model)
    spine = rooms.spine({table: backend.lake.read(table) for table in rooms.TABLES})
    spine = spine[spine["event_timestamp"] < as_of].reset_index(drop=True)
    if spine.empty:
        raise NotEnoughData(f"expected examples of {model} before {as_of.isoformat()}, got none")
    return with_groups(backend.features.training_frame(rooms.SERVICE, spine), backend.lake)


def _fingerprint(backend: Backend, rooms: Model, seed: int) -> str:
    """Return what the result depends on: the tables' versions, our code, the library set, the seed."""
    parts = {
        "tables": {table: backend.lake.version(table) for table in (*rooms.TABLES, GROUPS)},
        "code": code_version(),
        "python": platform.python_version(),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def code_version() -> str:
    """Return a hash over the library's own source: the same code, the same version."""
    digest = hashlib.sha256()
    root = Path(hki_ml.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{hki_ml.__version__}+{digest.hexdigest()[:12]}"


def _notes(trial: Trial, fingerprint: str, as_of: datetime, seed: int) -> dict[str, object]:
    return {
        "fingerprint": fingerprint,
        "code": code_version(),
        "as_of": as_of.isoformat(),
        "trial_cutoff": trial.cutoff.isoformat(),
        "trial_until": trial.until.isoformat(),
        "seed": seed,
    }


def _sources(backend: Backend, rooms: Model) -> list[str]:
    """Return where the rows of the room's tables come from, as their events say."""
    found: set[str] = set()
    for table in rooms.TABLES:
        if "source" in SCHEMAS[table].names:
            told = backend.lake.read(table, columns=["source"])
            found.update(told["source"].unique().to_pylist())
    families = {FAMILY_OF[table] for table in rooms.TABLES if table in FAMILY_OF}
    for family in families:
        for batch in backend.lake.batches("events", columns=["event_type", "source"]):
            ours = batch.filter(pc.starts_with(batch.column("event_type"), pattern=family))
            found.update(ours.column("source").unique().to_pylist())
    return sorted(found)


def _write_trial(trial: Trial, folder: Path) -> None:
    (folder / TRIAL_FILE).write_text(json.dumps(trial.report, indent=1, sort_keys=True))
    trial.losses.to_parquet(folder / LOSSES_FILE, index=False)
