"""`hki platform` on loopback ports of its own, until the block ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pyarrow as pa

from hki_ml.monitor_tables import INCIDENTS
from hki_ml.monitoring.incident import Incident
from hki_ml.ports import Orchestrator, Run
from hki_ml.settings import LoopSettings, RegistrySettings
from hki_ml.wiring import Backend, connect_runs
from tests.conftest import ROOT, free_port
from tests.doors.flows.conftest import Walked, environment

ALL = (
    "SCHEDULED",
    "PENDING",
    "RUNNING",
    "CANCELLING",
    "COMPLETED",
    "FAILED",
    "CRASHED",
    "CANCELLED",
)
LOOP = LoopSettings(cool_down_hours=0, grace_seconds=0, silent_seconds=300)
HKI = "from hki_ml.cli import app; app(['platform'])"


@dataclass(frozen=True)
class Stack:
    """A platform that runs, and what is in its home."""

    walked: Walked
    process: subprocess.Popen[bytes]
    variables: dict[str, str]
    ready_after: float

    @property
    def noted(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (self.walked.home / "hki" / "platform" / "ready.json").read_text()
        )
        return found

    @property
    def api(self) -> str:
        return str(self.noted["api"])

    @property
    def runs(self) -> Orchestrator:
        return connect_runs(self.api)

    def backend(self, **loop: float) -> Backend:
        registry = RegistrySettings(mlflow_url=self.noted["mlflow"])
        given = LOOP.model_copy(update=loop)
        return self.walked.backend(registry=registry, loop=given)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        for _ in range(10):
            answer = httpx.request(method, f"{self.api}/{path}", json=body, timeout=60)
            if (
                answer.status_code != 503
            ):  # SQLite is locked: Prefect's own client asks again as well
                break
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def of(self, incident: str) -> list[Run]:
        """Return the runs of an incident."""
        since = datetime.now(UTC) - timedelta(hours=1)
        found = self.runs.runs(ALL, since=since)
        return [run for run in found if run.parameters.get("incident_id") == incident]

    def run(self, number: str) -> Run:
        found = self.runs.runs(ALL, since=datetime.now(UTC) - timedelta(days=1))
        return next(run for run in found if run.id == number)

    def drifts(self, found: Incident) -> None:
        """Emit the event of a drift, as `monitor` does once the incident is written."""
        event = {
            "event": "hki.drift.detected",
            "id": str(uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "resource": {"prefect.resource.id": f"hki.model.{found.model}"},
            "payload": {
                "model": found.model,
                "reason": found.reason,
                "incident_id": found.incident_id,
                "window_start": found.window_start.isoformat(),
                "window_end": None,
            },
        }
        self.ask("POST", "events", [event])

    def pause(self, *, is_paused: bool) -> None:
        """Let the worker take nothing."""
        self.ask("PATCH", "work_pools/hki-local", {"is_paused": is_paused})

    def due(self, deployment: str, *, minutes_ago: int) -> str:
        """Make a run of a deployment that was due already; return its id."""
        found = self.ask("GET", f"deployments/name/{deployment}")
        at = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at}}
        made = self.ask("POST", f"deployments/{found['id']}/create_flow_run", {"state": state})
        return str(made["id"])


def until(found: Callable[[], Any], *, seconds: float = 60, what: str = "") -> Any:
    """Return what is found, once there is something."""
    deadline = time.monotonic() + seconds
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.5)  # a test that asks all the time is what makes the server slow


def incident(name: str, model: str = "valuation") -> Incident:
    now = datetime.now(UTC)
    return Incident(
        name, model, "feature_drift", "living_sqft", "living_sqft of king moved on the 3rd",
        "warning", now - timedelta(days=3), now - timedelta(days=7), now, "retrain", "open", now,
    )  # fmt: skip


def write(backend: Backend, incidents: Sequence[Incident]) -> None:
    rows = [asdict(each) for each in incidents]
    backend.lake.append("incidents", pa.Table.from_pylist(rows, schema=INCIDENTS))


def close(backend: Backend, found: Incident) -> None:
    done = replace(found, state="closed", at=datetime.now(UTC))
    write(backend, [done])


@contextmanager
def platform(walked: Walked, **more: str) -> Iterator[Stack]:
    """Run the platform on this home until the block ends; it must end cleanly."""
    variables = environment(
        walked.home,
        HKI_PLATFORM__PREFECT_PORT=str(free_port()),
        HKI_PLATFORM__MLFLOW_PORT=str(free_port()),
        HKI_PLATFORM__SERVE="false",
        HKI_LOOP__COOL_DOWN_HOURS="0",
        **more,
    )
    started, log = time.monotonic(), walked.home / "platform.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", HKI], cwd=ROOT, env=variables, stdout=out, stderr=out
        )
    stack = None
    ready = walked.home / "hki" / "platform" / "ready.json"
    try:
        until(lambda: ready.exists() or process.poll() is not None, seconds=120, what="ready")
        assert process.poll() is None, log.read_text()[-4000:]
        stack = Stack(walked, process, variables, time.monotonic() - started)
        yield stack
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()


def gone(pids: Sequence[int]) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)
