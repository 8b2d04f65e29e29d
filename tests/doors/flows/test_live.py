"""`hki platform` on SQLite: what is scheduled runs, what drifts is retrained, what dies runs again, once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from hki_ml.alerts import recent
from hki_ml.errors import BadInput, Conflict
from hki_ml.ledger import entries
from hki_ml.mapping import load_mapping
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.incidents import latest
from hki_ml.pipeline.reconcile import Reconciled, reconcile
from hki_ml.platform.supervisor import Supervisor
from hki_ml.settings import PlatformSettings
from hki_ml.wiring import Backend
from tests.conftest import ROOT
from tests.doors.flows.conftest import Walked
from tests.doors.flows.live import Stack, close, incident, platform, until, write

pytestmark = pytest.mark.server
FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text())
FLOOR_SECONDS = 15.0


@pytest.fixture(scope="module")
def stack(walked: Walked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    # A home of its own: what happens here is nothing that the flows by hand should find.
    home = tmp_path_factory.mktemp("live") / "flows"
    shutil.copytree(walked.home, home)
    with platform(replace(walked, home=home)) as found:
        yield found
        pids = [pid for pid in found.noted["pids"].values() if pid]
        started = time.monotonic()
        found.process.send_signal(signal.SIGTERM)
        assert found.process.wait(60) == 0
        print(
            f"\nready after {found.ready_after:.1f} s, stopped in {time.monotonic() - started:.1f} s"
        )
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def put_right(stack: Stack, backend: Backend | None = None) -> Reconciled:
    return reconcile(backend or stack.backend(), stack.runs, now=datetime.now(UTC))


def alerts(stack: Stack) -> set[str]:
    return {each.alert.key for each in recent(stack.backend().settings)}


def test_every_schedule_produces_runs(stack: Stack) -> None:
    scheduled = sum(bool(each.get("schedules")) for each in FILE["deployments"])
    ahead = until(
        lambda: (
            (found := stack.runs.scheduled(now=datetime.now(UTC)))
            and len(found) == scheduled
            and all(found.values())
            and found
        ),
        seconds=90,
        what="a run ahead of every deployment that has a schedule",
    )
    assert min(ahead.values()) >= 1


def test_the_server_keeps_what_a_trigger_hands_over(stack: Stack) -> None:
    found = stack.ask("POST", "automations/filter", {})
    drifts = {each["name"]: each for each in found if each["name"].startswith("drift-")}
    assert drifts.keys() == {
        f"drift-{each['name']}" for each in FILE["deployments"] if "triggers" in each
    }
    for each in drifts.values():
        (action,) = each["actions"]
        assert action["parameters"].keys() == {
            "reason",
            "incident_id",
            "window_start",
            "window_end",
        }


def test_an_event_starts_the_retraining_with_typed_parameters(stack: Stack) -> None:
    backend = stack.backend()
    found = incident("by-event")
    write(backend, [found])
    emitted = datetime.now(UTC)
    stack.drifts(found)
    (run,) = until(lambda: [r for r in stack.of("by-event") if r.state == "COMPLETED"], what="run")
    (row,) = stack.ask("POST", "flow_runs/filter", {"flow_runs": {"id": {"any_": [run.id]}}})
    delay = (datetime.fromisoformat(row["start_time"]) - emitted).total_seconds()
    print(f"\nevent to started: {delay:.1f} s on SQLite")
    assert delay <= FLOOR_SECONDS
    assert row["created_by"]["type"] == "AUTOMATION"
    assert run.parameters == {
        "model": "valuation",
        "reason": f"drift: {found.reason}",
        "incident_id": "by-event",
        "window_start": found.window_start.isoformat(),
        "window_end": None,
    }
    assert latest(backend.lake)["by-event"].state == "handed_over"
    ended = stack.runs.latest()
    assert len(ended) == len(FILE["deployments"])
    assert ended["retrain/valuation"] == run


def test_what_no_event_started_the_reconciler_starts_once(stack: Stack) -> None:
    backend = stack.backend()
    write(backend, [incident("event-lost")])
    started = [name for _ in range(3) for name in put_right(stack).started]
    assert started == ["event-lost"]
    until(lambda: latest(backend.lake)["event-lost"].state == "handed_over", what="handed over")
    assert put_right(stack).started == []
    assert len(stack.of("event-lost")) == 1
    assert "start-lost:event-lost" in alerts(stack)


def test_an_incident_that_cools_down_waits(stack: Stack) -> None:
    patient = stack.backend(cool_down_hours=24.0)
    found = incident("too-soon")
    write(patient, [found])
    assert put_right(stack, patient).started == []
    close(patient, found)
    assert stack.of("too-soon") == []


def test_a_wrong_file_is_refused_aloud(stack: Stack, tmp_path: Path) -> None:
    text = (ROOT / "prefect.yaml").read_text()
    (tmp_path / "prefect.yaml").write_text(text.replace("*/5 * * * *", "every now and then"))
    (tmp_path / "flows").symlink_to(ROOT / "flows")
    given = stack.backend().settings.model_copy(
        update={
            "platform": PlatformSettings(prefect_port=int(stack.api.split(":")[2].split("/")[0]))
        }
    )
    with pytest.raises(BadInput, match=r"(?s)prefect.yaml.*every now and then"):
        Supervisor(given, tmp_path, print)._deploy()


def test_a_second_platform_on_the_same_ports_is_refused(stack: Stack) -> None:
    port = int(stack.api.split(":")[2].split("/")[0])
    given = stack.backend().settings.model_copy(
        update={"platform": PlatformSettings(prefect_port=port)}
    )
    with pytest.raises(Conflict, match="HKI_PLATFORM__PREFECT_PORT"):
        Supervisor(given, ROOT, print)._layout.refuse_taken_ports()


def test_what_is_due_many_times_after_an_outage_is_done_once(stack: Stack) -> None:
    stack.pause(is_paused=True)
    try:
        due = [stack.due("retention/daily", minutes_ago=minutes) for minutes in (60, 30, 5)]
        assert put_right(stack).superseded == due[:2]
        assert put_right(stack).superseded == []
    finally:
        stack.pause(is_paused=False)
    until(lambda: stack.run(due[2]).state == "COMPLETED", what="the last one")
    assert [stack.run(each).state for each in due[:2]] == ["CANCELLED", "CANCELLED"]


def test_a_run_that_dies_again_and_again_is_told_and_left(stack: Stack) -> None:
    stack.pause(is_paused=True)
    try:
        number = stack.due("fairness/monthly", minutes_ago=5)
        resumed = []
        for _ in range(3):
            run = stack.run(number)
            stack.runs.set_state(run, "RUNNING", "Running", "as if")
            stack.runs.set_state(run, "CRASHED", "Crashed", "as if killed")
            resumed += put_right(stack).resumed
        assert resumed == [number, number]
        assert stack.run(number).tries == 3
        assert f"run-gave-up:{number}" in alerts(stack)
    finally:
        stack.pause(is_paused=False)


def test_a_run_that_says_nothing_any_more_is_taken_for_dead(stack: Stack) -> None:
    stack.pause(is_paused=True)
    try:
        number = stack.due("review/quarterly", minutes_ago=5)
        stack.runs.set_state(stack.run(number), "RUNNING", "Running", "as if")
        assert number not in put_right(stack).crashed
        time.sleep(0.3)
        did = put_right(stack, stack.backend(silent_seconds=0.2))
        assert number in did.crashed
        assert number in did.resumed
    finally:
        stack.pause(is_paused=False)
    until(lambda: stack.run(number).state == "COMPLETED", what="run again")


def test_a_run_that_failed_is_told(stack: Stack) -> None:
    number = stack.ask(
        "POST",
        f"deployments/{stack.ask('GET', 'deployments/name/promote/by-hand')['id']}/create_flow_run",
        {"parameters": {"model": "no such model"}},
    )["id"]
    run = until(lambda: (r := stack.run(number)).state == "FAILED" and r, what="failed")
    assert "no such model" in run.message
    put_right(stack)
    assert "run-failed:promote/by-hand" in alerts(stack)
    assert stack.runs.latest()["promote/by-hand"] == run


def test_a_schedule_that_lies_still_is_told(stack: Stack) -> None:
    ahead = stack.runs.runs(["SCHEDULED"], since=datetime.now(UTC))
    for run in ahead:
        if run.deployment == "review/quarterly":
            stack.ask("DELETE", f"flow_runs/{run.id}")
    assert put_right(stack).silent == ["review/quarterly"]
    assert "schedule-silent:review/quarterly" in alerts(stack)


def test_a_worker_killed_in_a_training_is_replaced_and_the_run_is_finished_once(
    stack: Stack, tmp_path: Path
) -> None:
    backend = stack.backend()
    more = pl.read_parquet(stack.walked.home / "sales.parquet").with_columns(pl.col("price") * 1.01)
    more.head(200).with_columns(pl.col("id") + 9_000_000_000).write_parquet(
        tmp_path / "more.parquet"
    )
    mapping = load_mapping(ROOT / "mappings" / "king_county.toml")
    Import(backend.bus, backend.lake, mapping, datetime.now(UTC)).run(tmp_path / "more.parquet")
    before = [each.version for each in backend.registry.versions("valuation")]
    asked = {"model": "valuation", "reason": "more sales"}
    number, is_new = stack.runs.start("retrain/valuation", asked, key="kill-me")
    assert is_new
    until(lambda: stack.run(number).state == "RUNNING", what="running")
    time.sleep(4)  # in the middle of the trial
    worker = stack.noted["pids"]["worker"]
    os.kill(worker, signal.SIGKILL)
    assert [each.version for each in backend.registry.versions("valuation")] == before
    until(lambda: stack.noted["pids"]["worker"] not in (worker, None), what="a new worker")
    run = until(
        lambda: (r := stack.run(number)).state in ("COMPLETED", "FAILED", "CANCELLED") and r,
        seconds=150,
        what="the run to its end",
    )
    assert (run.state, run.tries) == ("COMPLETED", 2)
    after = [each.version for each in backend.registry.versions("valuation")]
    assert after == ["2", *before]
    numbers = [each.number for each in entries(backend.lake, "valuation")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert stack.runs.start("retrain/valuation", asked, key="kill-me") == (number, False)
