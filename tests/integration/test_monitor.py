"""The watch over a simulated market: what is planted is found, named and told once; nothing is not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.monitor import CHECKS, monitor
from hki_ml.pipeline.train import (
    CHALLENGER,
    CHAMPION,
    LOSSES_FILE,
    MEETING_FILE,
    MET_SINCE,
    train,
)
from hki_ml.settings import load_settings
from hki_ml.simulation.run import simulate
from hki_ml.simulation.world import Defects, World
from hki_ml.wiring import Backend, connect
from tests.unit.simulation.town import town

BEGINS = datetime(2014, 12, 1, tzinfo=UTC)
LEARNED = datetime(2015, 12, 1, tzinfo=UTC)
DRIFTS = LEARNED + timedelta(days=56)
NOW = LEARNED + timedelta(days=145)
ROOM = "lead_scoring"


@pytest.fixture(scope="module")
def learned(tmp_path_factory) -> Path:
    """A platform whose scorer learned on the first of December, quiet until then."""
    home = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HKI_HOME", str(home))
        patch.setenv("HKI_THREADS", "1")
        backend = connect(load_settings())
        simulate(backend, World(3, 14.0, BEGINS, LEARNED), town(), now=LEARNED)
        materialize(backend, until=LEARNED)
        made = train(backend, ROOM, as_of=LEARNED)
        assert backend.registry.resolve(ROOM, CHALLENGER) is not None
        backend.registry.point(ROOM, CHAMPION, made.version.version)
    return home


def later(learned: Path, tmp_path: Path, monkeypatch, defects: Defects) -> Backend:
    import shutil

    home = tmp_path / "home"
    shutil.copytree(learned, home)
    monkeypatch.setenv("HKI_HOME", str(home))
    monkeypatch.setenv("HKI_THREADS", "1")
    backend = connect(load_settings())
    simulate(backend, World(3, 14.0, BEGINS, NOW, defects), town(), now=NOW)
    materialize(backend, until=NOW)
    return backend


def test_a_quiet_market_alarms_nobody_and_every_window_is_looked_at_once(
    learned, tmp_path, monkeypatch
):
    backend = later(learned, tmp_path, monkeypatch, Defects())
    # Before the first window is over it is looked at what came true, and at nothing of the window.
    early = monitor(backend, now=LEARNED + timedelta(days=10), models=[ROOM]).checks.to_pylist()
    done = monitor(backend, now=NOW, models=[ROOM])
    assert [each.reason for each in done.incidents] == []
    rows = done.checks.to_pylist()
    windows = {row["window_start"] for row in rows if row["kind"] == "feature_drift"}
    assert sorted(windows) == [LEARNED + k * timedelta(days=28) for k in range(5)]
    assert any(row["raw_signal"] for row in rows)  # the plain thresholds cry all the same
    assert not any(row["alarm"] for row in rows if row["kind"] in {"feature_drift", "data_quality"})
    assert {row["alarm"] for row in rows if row["kind"] == "estimated_performance"} == {False}
    leaned = [row for row in rows if row["kind"] == "importance"]
    assert len(leaned) == len(windows)
    assert all(row["value"] > 0.7 and row["alarm"] is False for row in leaned)
    what_following_up_at_once_brings(rows)
    page, told = done.reports
    assert "<html" in Path(page).read_text(encoding="utf-8")[:2_000].lower()
    assert json.loads(Path(told).read_text())["model"] == ROOM
    again = monitor(backend, now=NOW, models=[ROOM])
    assert again.checks.num_rows == 0
    assert backend.lake.read(CHECKS).num_rows == len(early) + len(rows)


def what_following_up_at_once_brings(rows: list[dict]) -> None:
    """Leads drew lots for it: closings, dollars and return are told with intervals, and alarm nobody."""
    told = {row["subject"]: row for row in rows if row["kind"] == "business"}
    assert len(told) == 3
    for row in told.values():
        assert row["lower"] < row["value"] < row["upper"]
        assert row["n"] >= 300
        assert row["alarm"] is False
    net, roi = (told[f"{name}, fast over usual"] for name in ("USD a lead", "ROI"))
    terms = json.loads(net["detail_json"])
    assert (terms["profit_rate"], terms["cost_usd"]) == (0.05, 9.0)
    assert roi["value"] == pytest.approx(net["value"] / 9.0)


def test_a_planted_drift_is_one_incident_to_retrain_with_its_date_and_first_source(
    learned, tmp_path, monkeypatch
):
    backend = later(learned, tmp_path, monkeypatch, Defects(drift_on=DRIFTS))
    seen = []
    for day in range(28, 146, 28):
        seen += monitor(backend, now=LEARNED + timedelta(days=day), models=[ROOM]).incidents
    drifts = [each for each in seen if each.kind == "feature_drift"]
    assert len(drifts) == 1
    (found,) = drifts
    assert found.subject == "lead_source"
    assert (found.route, found.state) == ("retrain", "open")
    assert abs(found.since - DRIFTS) <= timedelta(days=28)
    assert "since 2016-01-26 (" in found.reason  # from what to what
    assert " % to " in found.reason or "% to " in found.reason
    what_learns_for_it_meets_the_champion(backend, tmp_path)


def what_learns_for_it_meets_the_champion(backend: Backend, tmp_path: Path) -> None:
    """The retrained model is judged on what came after either had learned, and on that alone."""
    made = train(backend, ROOM, as_of=NOW).version
    cutoff = pd.Timestamp(made.tags[MET_SINCE])
    assert LEARNED < cutoff < NOW
    folder = backend.registry.download(made, tmp_path / "retrained")
    met, trial = (pd.read_parquet(folder / name) for name in (MEETING_FILE, LOSSES_FILE))
    assert pd.to_datetime(met["happened_at"], utc=True).min() >= cutoff
    assert pd.to_datetime(trial["happened_at"], utc=True).min() < LEARNED


def test_a_feed_that_is_poisoned_is_to_be_mended_and_not_learned(learned, tmp_path, monkeypatch):
    backend = later(learned, tmp_path, monkeypatch, replace(Defects(), poison_on=DRIFTS))
    done = monitor(backend, now=LEARNED + timedelta(days=84), models=[ROOM])
    assert [each.route for each in done.incidents] == ["mend_data"]
    assert done.incidents[0].severity == "critical"
    assert done.incidents[0].window_start <= DRIFTS + timedelta(days=28)
