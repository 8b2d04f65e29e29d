"""A candidate meets the champion on what came after either had learned."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from hki_ml.errors import ArtifactRefused
from hki_ml.learning.judged import judged
from hki_ml.pipeline.gates import BETTER, WORSE, compare
from hki_ml.pipeline.meeting import meet, since_learned

BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
LEARNED = BEGIN + timedelta(hours=3_000)
JUMPED = LEARNED + timedelta(hours=100)
N = 4_000


def world() -> pd.DataFrame:
    """Prices around 9, 10 since shortly before the champion learned, 12 since soon after."""
    at = pd.Series(pd.date_range(BEGIN, periods=N, freq="h"))
    noise = np.random.default_rng(0).normal(0, 0.5, N)
    price = (
        np.select([at >= JUMPED, at >= LEARNED - timedelta(hours=300)], [12.0, 10.0], 9.0) + noise
    )
    return pd.DataFrame({"event_timestamp": at, "price": price})


class Mean:
    """A room that learns the mean of the last 200 prices: small, and it truly learns."""

    NAME = "mean"

    def fit(self, frame, *, as_of, seed, threads, trial=None):
        assert (seed, threads, trial) == (0, 1, None)
        return float(frame.loc[frame["event_timestamp"] < as_of, "price"].tail(200).mean())

    def save(self, fitted, folder: Path, *, notes):
        folder.mkdir()
        (folder / "mean.json").write_text(json.dumps({"mean": fitted, **notes}))

    def losses(self, folder: Path, frame, *, since):
        mean = json.loads((folder / "mean.json").read_text())["mean"]
        rows = frame[frame["event_timestamp"] >= since]
        names = pd.Series([f"row {at}" for at in rows.index])
        return judged(
            example_id=names, happened_at=rows["event_timestamp"], entity=names,
            outcome=rows["price"], loss=(rows["price"] - mean).abs(),
        )  # fmt: skip


def version(tmp_path: Path, name: str, frame: pd.DataFrame, *, as_of: datetime) -> Path:
    folder = tmp_path / name
    Mean().save(Mean().fit(frame, as_of=as_of, seed=0, threads=1), folder, notes={})
    return folder


def test_where_the_world_has_moved_the_candidate_that_knows_it_is_better(tmp_path):
    rooms, frame = Mean(), world()
    champion = version(tmp_path, "champion", frame, as_of=LEARNED)
    later = since_learned(rooms, champion, frame, learned=LEARNED)
    met = meet(rooms, frame, later, seed=0, threads=1)
    assert met.cutoff == LEARNED + timedelta(hours=500)
    assert met.losses["happened_at"].min() >= met.cutoff
    assert len(met.losses) == 500
    assert compare(met.losses, later).finding == BETTER
    # By a trial that ended its lessons before the champion did it would have looked worse.
    trial = version(tmp_path, "trial", frame, as_of=LEARNED - timedelta(hours=400))
    by_trial = rooms.losses(trial, frame, since=LEARNED)
    assert compare(by_trial, later).finding == WORSE


def test_a_champion_that_just_learned_is_not_met(tmp_path):
    rooms, frame = Mean(), world()
    recent = BEGIN + timedelta(hours=N - 390)
    champion = version(tmp_path, "champion", frame, as_of=recent)
    later = since_learned(rooms, champion, frame, learned=recent)
    assert meet(rooms, frame, later, seed=0, threads=1) is None
    ends = frame["event_timestamp"].max() + timedelta(hours=1)
    assert since_learned(rooms, champion, frame, learned=ends) is None


def test_a_champion_that_cannot_be_loaded_any_more_has_its_trial_alone(tmp_path):
    def refuses(*_args, **_named):
        raise ArtifactRefused("expected format 3, got 2")

    rooms = SimpleNamespace(NAME="mean", losses=refuses)
    assert since_learned(rooms, tmp_path, world(), learned=LEARNED) is None
