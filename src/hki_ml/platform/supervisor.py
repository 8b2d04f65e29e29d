"""`hki platform`: starts the parts in order, waits until each answers, keeps them up, ends them cleanly."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from hki_ml.alerts import alert, send
from hki_ml.errors import BadInput, SettingsError, Unavailable
from hki_ml.pipeline.reconcile import OUTAGE, Reconciled, recover
from hki_ml.platform.layout import Layout
from hki_ml.platform.parts import Part
from hki_ml.ports import Orchestrator, Run
from hki_ml.settings import Settings
from hki_ml.wiring import Backend, connect, connect_runs

MOST_RESTARTS = 5  # of a part within ten minutes; then it rests, and somebody is told
REST_SECONDS = 600.0


class Supervisor:
    """The parts under one roof.

    Parameters
    ----------
    folder
        The checkout: what ``prefect.yaml`` lies in.
    say
        Takes a line for whoever watches.
    """

    def __init__(self, settings: Settings, folder: Path, say: Callable[[str], None]) -> None:
        if not (folder / "prefect.yaml").is_file():
            raise SettingsError(f"expected prefect.yaml in {folder}: start it in the checkout")
        self._say, self._folder = say, folder
        self._layout = Layout(settings, folder)
        self._settings = self._layout.inside
        self._stopped = threading.Event()
        self._parts: list[Part] = []

    def run(self) -> int:
        """Start everything and stay until a signal comes; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stopped.set())
        started = time.monotonic()
        try:
            self._start()
            if not self._stopped.is_set():
                self._told_ready(time.monotonic() - started)
            while not self._stopped.wait(0.5):
                self._keep_up()
        finally:
            self._stop()
        return 0

    def _start(self) -> None:
        layout, stopped = self._layout, self._stopped.is_set
        layout.refuse_taken_ports()
        servers = layout.servers()
        for part in servers:
            self._begin(part)
        for part in servers:
            part.wait(stopped)
        if stopped():
            return
        runs = connect_runs(layout.api)
        is_new = not runs.scheduled(now=datetime.now(UTC))
        self._recover(runs)
        digest = layout.digest()
        due = [] if is_new else _due(runs)
        self._begin(layout.worker())
        if is_new or digest != layout.deployed():
            self._deploy()
            layout.note_deployed(digest)
            _catch_up(runs, due)
        if self._settings.platform.serve:
            self._begin(layout.service())
        for part in self._parts:
            part.wait(stopped)

    def _begin(self, part: Part) -> None:
        part.start(self._folder)
        if part not in self._parts:
            self._parts.append(part)

    def _recover(self, runs: Orchestrator) -> None:
        """Before a worker starts no run can be alive: what says so is dead, and is run again."""
        done = Reconciled()
        backend: Backend = connect(self._settings)
        recover(backend, runs, done, now=datetime.now(UTC), alone=True)
        if done.resumed or done.superseded:
            self._say(
                f"resumed {len(done.resumed)} runs, left out {len(done.superseded)} late ones"
            )

    def _deploy(self) -> None:
        self._layout.wait_for_pool()
        done = subprocess.run(
            self._layout.deploying(),
            check=False,
            cwd=self._folder,
            env=self._layout.whole_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self._layout.log("deploy").write_text(done.stdout + done.stderr)
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()[-15:]
            raise BadInput("prefect.yaml was not taken:\n" + "\n".join(said))

    def _keep_up(self) -> None:
        for part in self._parts:
            if not part.has_ended:
                continue
            now = time.monotonic()
            part.restarts = [each for each in part.restarts if each > now - REST_SECONDS]
            if len(part.restarts) >= MOST_RESTARTS:
                self._rests(part)
                continue
            if part.name == "worker" and not self._recovered():
                continue  # what it would ask is away as well; the next turn looks again
            part.restarts.append(now)
            part.is_resting = False
            self._say(f"{part.name} ended; started again")
            if self._stopped.wait(min(2.0 ** len(part.restarts) - 1.0, 30.0)):
                return
            part.start(self._folder)
            self._layout.note_ready(self._parts)

    def _recovered(self) -> bool:
        """Put right what a dead worker held, if the server of the flows answers."""
        try:
            self._recover(connect_runs(self._layout.api))
        except Unavailable:
            return False
        return True

    def _rests(self, part: Part) -> None:
        """Leave a part down for now; the others go on: who serves need not end with who trains."""
        if part.is_resting:
            return
        part.is_resting = True
        summary = f"{part.name} ended {MOST_RESTARTS} times within ten minutes and rests"
        send(
            self._settings,
            alert("part-rests", part.name, summary, part.tail()),
            now=datetime.now(UTC),
        )
        self._layout.note_ready(self._parts)

    def _told_ready(self, seconds: float) -> None:
        self._layout.note_ready(self._parts)
        self._say(f"ready after {seconds:.0f} s; Ctrl-C ends it all")
        for line in self._layout.addresses():
            self._say(line)

    def _stop(self) -> None:
        # In this order: nothing new is begun, then nothing is answered, then nothing is remembered.
        order = {"worker": 0, "service": 1}
        for part in sorted(self._parts, key=lambda part: order.get(part.name, 2)):
            part.stop()
        self._layout.forget_ready()
        if self._parts:
            self._say("stopped")


def _due(runs: Orchestrator) -> list[Run]:
    """Return the runs that are due and have not begun: a new deployment would forget them."""
    now = datetime.now(UTC)
    waiting = runs.runs(["SCHEDULED"], since=now - OUTAGE)
    return [run for run in waiting if run.due_at is not None and run.due_at <= now]


def _catch_up(runs: Orchestrator, due: list[Run]) -> None:
    still = {run.id for run in _due(runs)}
    begun = {run.id for run in runs.runs(["PENDING", "RUNNING", "COMPLETED"], since=_oldest(due))}
    for run in due:
        if run.id not in still | begun and run.deployment:
            runs.start(run.deployment, run.parameters, key=f"due:{run.id}")


def _oldest(due: list[Run]) -> datetime:
    return min((run.due_at for run in due if run.due_at), default=datetime.now(UTC))
