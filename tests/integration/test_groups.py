"""A market that is biased against a protected group: told by the audit, preferred against, and no feature."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from hki_ml.catalog import ROOMS, room
from hki_ml.learning.lead_features import feature_frame
from hki_ml.pipeline import groups
from hki_ml.pipeline.card import CARD_FILE
from hki_ml.pipeline.fairness import audit
from hki_ml.pipeline.incidents import latest
from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.train import CHAMPION, LOSSES_FILE, TRIAL_FILE, examples, train
from hki_ml.settings import load_settings
from hki_ml.simulation.run import simulate
from hki_ml.simulation.truth import truth
from hki_ml.simulation.world import Defects, World
from hki_ml.wiring import Backend, connect
from tests.unit.simulation.town import town

BEGINS = datetime(2014, 12, 1, tzinfo=UTC)
ENDS = datetime(2015, 12, 1, tzinfo=UTC)
ROOM = "lead_scoring"


def market(home, monkeypatch, defects: tuple[str, ...]) -> tuple[Backend, pd.DataFrame]:
    """Return a platform with a year of leads, and of which group each lead is."""
    monkeypatch.setenv("HKI_HOME", str(home))
    monkeypatch.setenv("HKI_THREADS", "1")
    backend = connect(load_settings())
    world = World(3, 14.0, BEGINS, ENDS, Defects.named(defects, ends_at=ENDS))
    simulate(backend, world, town(), now=ENDS)
    materialize(backend, until=ENDS)
    true = truth(world, town(), paths=4).leads.to_pandas()
    group = np.where(true["is_protected"], "minority", "majority")
    rows = pd.DataFrame({"lead_id": true["lead_id"], "attribute": "race", "group": group})
    return backend, rows


def shares(backend: Backend, version, rows: pd.DataFrame, folder) -> pd.core.groupby.SeriesGroupBy:
    """By hand, from what the trial said of each lead when it came: who is among the highest."""
    said = pd.read_parquet(backend.registry.download(version, folder) / LOSSES_FILE)
    first = said.sort_values("happened_at", kind="stable").drop_duplicates("entity")
    cut = np.quantile(first["probability"], 1 - first["outcome"].mean())
    group = first["entity"].map(rows.set_index("lead_id")["group"])
    return (first["probability"] >= cut).groupby(group)


def test_a_group_that_is_picked_less_is_an_incident_and_learned_against(tmp_path, monkeypatch):
    backend, rows = market(tmp_path, monkeypatch, ("bias",))
    blind = train(backend, ROOM, as_of=ENDS).version
    backend.registry.point(ROOM, CHAMPION, blind.version)
    assert audit(backend, now=ENDS).incidents == ()
    kept = groups.keep(backend.lake, pl.from_pandas(rows), source="audit", at=ENDS)
    assert kept == groups.Kept(len(rows), 0)
    assert groups.keep(backend.lake, pl.from_pandas(rows), source="audit", at=ENDS).new == 0

    done = audit(backend, now=ENDS)
    (ours,) = (each for each in done.audits if each.model == ROOM)
    ratio, gap = ours.checks
    picked = shares(backend, blind, rows, tmp_path / "blind")
    share = picked.mean()
    assert ratio.value == pytest.approx(share["minority"] / share["majority"])
    assert ratio.detail["n"] == picked.size().to_dict()
    assert ratio.lower < ratio.value < ratio.upper < 0.8
    assert (ratio.raw_signal, ratio.alarm, ratio.detail["lowest"]) == (True, True, "minority")
    assert gap.lower < gap.value < gap.upper
    (told,) = done.incidents
    assert (told.route, told.kind, told.severity) == ("audit", "fairness", "critical")
    assert "'minority' is picked" in told.reason
    assert audit(backend, now=ENDS).incidents == ()  # told once
    assert list(latest(backend.lake)) == [told.incident_id]

    seeing = train(backend, ROOM, as_of=ENDS)
    assert seeing.is_new
    share = shares(backend, seeing.version, rows, tmp_path / "seeing").mean()
    assert share["minority"] / share["majority"] > 0.8
    report = json.loads(backend.registry.file(seeing.version, TRIAL_FILE))
    assert report["groups"]["race: minority"]["share_picked"] == pytest.approx(share["minority"])
    assert {"impact_ratio", "opportunity_gap"} <= set(report["groups, how unlike"]["race"])
    assert all("impact_ratio" in tried["groups"]["race"] for tried in report["tried"])
    assert "### groups, how unlike" in backend.registry.file(seeing.version, CARD_FILE).decode()


def test_no_room_and_no_feature_knows_the_groups(tmp_path, monkeypatch):
    backend, rows = market(tmp_path, monkeypatch, ())
    groups.keep(backend.lake, pl.from_pandas(rows), source="audit", at=ENDS)
    assert not [name for name in ROOMS if groups.TABLE in room(name).TABLES]
    frame = examples(backend, ROOM, as_of=ENDS)
    assert set(frame["protected_race"]) == {"minority", "majority"}
    assert not [name for name in feature_frame(frame) if "protected" in name or "race" in name]
