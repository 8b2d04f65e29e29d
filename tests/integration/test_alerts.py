"""What is found is told: each verdict of the watch, and a retraining that could not be, as its own alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from hki_ml.alerts import recent
from hki_ml.errors import NotEnoughData
from hki_ml.monitoring.incident import Incident, Route
from hki_ml.pipeline.incidents import ALERTS, tell
from hki_ml.pipeline.retrain import retrain
from hki_ml.settings import Settings
from hki_ml.wiring import Backend, connect

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv("HKI_HOME", str(tmp_path))
    return connect(Settings(home=tmp_path, _env_file=None))


def incident(route: Route, state: str = "open") -> Incident:
    week = timedelta(days=7)
    return Incident(
        f"{route}-{state}", "lead_scoring", "feature_drift", "lead_source", "source crm sends less",
        "warning", NOW - week, NOW - 2 * week, NOW - week, route, state, NOW,
    )  # fmt: skip


@pytest.mark.parametrize("route", get_args(Route))
def test_each_incident_wakes_who_answers_for_it_once_and_only_while_it_is_open(backend, route):
    found = [incident(route), incident(route, "handed_over"), incident(route, "closed")]
    for _ in range(2):
        tell(backend.settings, found, now=NOW)
    (told,) = recent(backend.settings)
    assert told.alert.key == f"{ALERTS[route]}:{route}-open"
    assert told.alert.summary == "lead_scoring: source crm sends less"
    assert "since 2026-04-24" in told.alert.detail
    assert told.times == 2  # counted, not sent again


def test_a_retraining_that_cannot_be_is_told_with_its_reason_and_fails(backend):
    with pytest.raises(NotEnoughData):
        retrain(backend, "lead_scoring", reason="weekly", as_of=NOW)
    (told,) = recent(backend.settings)
    assert told.alert.key == "retraining-failed:lead_scoring"
    assert "lead_scoring was not retrained (weekly): " in told.alert.summary
