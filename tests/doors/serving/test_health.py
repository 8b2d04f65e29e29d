"""Health over HTTP and on its page: nothing is good that was not measured."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from leads_home import NOW, at_home

from hki_ml.catalog import ROOMS
from hki_ml.errors import Unavailable
from hki_ml.monitor_tables import MONITOR_CHECKS
from hki_ml.ports import Run
from hki_ml.serving import health_shapes
from hki_ml.serving.health import MOST_POINTS, NEEDED, _history, _state
from hki_ml.serving.health_runs import LastRuns
from hki_ml.settings import load_settings
from hki_ml.wiring import connect

HEALTH = "/api/v1/ml/health"
ROOM = "conversion"


def read(client):
    answer = client.get(HEALTH)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    health_shapes.HealthData.model_validate(data, strict=True)
    return data, {each["model"]: each for each in data["models"]}


def check(kind, alarm, *, version, at=NOW):
    return {
        "check_id": f"{kind}{at}", "model": ROOM, "model_version": version, "kind": kind,
        "subject": "AUC" if kind == "performance" else "lead_source", "n": 500, "value": 0.8,
        "lower": 0.75, "upper": 0.85, "reference": 0.82, "threshold": 0.78, "raw_signal": False,
        "signal": alarm, "alarm": alarm, "severity": "info", "detail_json": "{}",
        "window_start": at - timedelta(days=28), "window_end": at, "decided_at": at,
    }  # fmt: skip


@pytest.fixture
def measured(leads, leads_home):
    """Writes checks of the serving version into the lake."""
    _, models = read(leads)
    version = models[ROOM]["champion"]["version"]

    def write(**alarms):
        with at_home(leads_home):
            lake = connect(load_settings()).lake
            at = NOW + timedelta(hours=lake.version("monitor_checks") + 1)
            rows = [check(kind, alarm, version=version, at=at) for kind, alarm in alarms.items()]
            lake.append("monitor_checks", pa.Table.from_pylist(rows, schema=MONITOR_CHECKS))

    return write


def test_every_model_is_listed_with_its_version_and_decisions(leads):
    data, models = read(leads)
    assert list(models) == list(ROOMS)
    assert models["lead_scoring"]["champion"]["figures"]["auc"] > 0.5
    assert models["valuation"]["champion"] is None
    assert models["valuation"]["state"] == "unknown"
    told = {each["what"]: each["hours"] for each in data["freshness"]}
    assert told["features of leads"] > 0
    assert told["events of simulated-crm"] > told["features of leads"] - 24


def test_nothing_is_good_before_drift_and_figures_were_both_measured(leads, measured):
    assert read(leads)[1][ROOM]["state"] == "unknown"
    measured(feature_drift=False)
    assert read(leads)[1][ROOM]["state"] == "unknown"
    measured(performance=None)
    assert read(leads)[1][ROOM]["state"] == "unknown"
    measured(performance=False)
    assert read(leads)[1][ROOM]["state"] == "ok"
    measured(performance=True)
    found = read(leads)[1][ROOM]
    assert found["state"] == "alarm"
    assert len(found["history"]) == 3
    assert {each["state"] for each in found["checks"]} == {"ok", "alarm"}


@pytest.mark.parametrize(("days", "state"), [(1, "ok"), (2, "ok"), (4, "unknown")])
def test_what_nobody_has_looked_at_of_late_is_not_good(days, state):
    both = [
        check(kind, alarm=False, version="1", at=NOW) for kind in ("feature_drift", "performance")
    ]
    assert _state(both, (), needed=NEEDED, now=NOW + timedelta(days=days)) == state


def test_each_figure_has_as_many_points():
    rows = [
        check("performance", alarm=False, version="1", at=NOW + timedelta(hours=hour))
        | {"subject": subject}
        for hour in range(MOST_POINTS + 5)
        for subject in ("AUC", "log loss", "precision")
    ]
    told = _history(rows)
    assert len(told) == 3 * MOST_POINTS
    assert told[-1]["at"] > told[0]["at"]


def run(state, message=""):
    return Run("1", "bold-fox", "retrain/risk", {}, state, state.title(), message, NOW, NOW, 1)


class Server:
    """What a Prefect server would say, and how often it was asked."""

    def __init__(self, **found):
        self.found, self.asked = found, 0

    def latest(self):
        self.asked += 1
        if not self.found:
            raise Unavailable("expected Prefect at http://127.0.0.1:1/api, got: refused")
        return self.found


def test_runs_are_told_as_they_last_ended_and_unknown_before_or_without_a_server(leads):
    server = Server(risk=run("FAILED", "no lake"), valuation=run("COMPLETED"), monitor=None)
    told = LastRuns(lambda: server).told(NOW)
    stands = {each["deployment"]: (each["state"], each["said"]) for each in told["latest"]}
    assert stands == {
        "risk": ("alarm", "Failed: no lake"), "valuation": ("ok", "Completed"),
        "monitor": ("unknown", "never ended"),
    }  # fmt: skip
    away = LastRuns(Server).told(NOW)
    assert (away["latest"], "refused" in away["unknownBecause"]) == ([], True)
    assert "PREFECT_API_URL" in read(leads)[0]["runs"]["unknownBecause"]


def test_a_server_is_asked_for_its_runs_once_in_half_a_minute():
    server = Server(risk=run("COMPLETED"))
    runs = LastRuns(lambda: server)
    for second in (0, 10, 29, 31, 45):
        runs.told(NOW + timedelta(seconds=second))
    assert server.asked == 2


@pytest.mark.browser
@pytest.mark.server
def test_the_page_shows_each_model_and_what_is_unknown(browser, leads_server, tmp_path):
    browser.look(width=1280, height=900)
    browser.open(f"{leads_server}/health")
    browser.wait("document.querySelectorAll('#models .card').length")
    assert "unknown" in browser.ask("document.querySelector('#overview').textContent")
    assert browser.ask("document.querySelectorAll('#models .card').length") == len(ROOMS)
    browser.picture(Path(os.environ.get("HKI_PICTURES", tmp_path)) / "health.png")
    assert browser.complaints == []
