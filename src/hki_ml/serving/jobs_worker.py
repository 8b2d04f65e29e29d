"""Who does the jobs: a process of its own, at low priority, begun again if it dies."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from hki_ml.serving.jobs import Jobs

log = structlog.get_logger()

LOOKS_EVERY_SECONDS = 0.5
WAITS_SECONDS = 5.0  # before another try, if the process failed or another service's is at work


class JobWorker:
    """Keeps a process at work while there are jobs that have not ended.

    Parameters
    ----------
    folder
        Where the jobs are.
    models
        Which model answers files, and what its answers may hold beyond the usual.
    program
        The module that does them; it gets the folder and the id of this process.
    """

    def __init__(
        self, folder: Path, models: Mapping[str, tuple[str, ...]], *, program: str
    ) -> None:
        self._program = program
        self._environment = dict(os.environ)  # the settings that this service began with
        self.jobs = Jobs(folder, models, self.wake)
        self._process: subprocess.Popen[bytes] | None = None
        self._awake = threading.Event()
        self._stop = False
        self._thread = threading.Thread(target=self._watch, name="jobs", daemon=True)

    def start(self) -> None:
        """Start looking for work."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once."""
        self._awake.set()

    def close(self) -> None:
        """End the process; what it was at goes on at the next start."""
        self._stop = True
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(5)
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _watch(self) -> None:
        while not self._stop:
            pause = LOOKS_EVERY_SECONDS
            try:
                pause = self._look()
            except Exception:  # a thread's door: it must live on and try again
                log.exception("jobs_not_looked_at")
            self._awake.wait(pause)
            self._awake.clear()

    def _look(self) -> float:
        process = self._process
        if process is not None:
            ended = process.poll()
            if ended is None:
                return LOOKS_EVERY_SECONDS
            self._process = None
            if ended != 0:
                log.warning("job_process_ended", code=ended)
                time.sleep(0 if self._stop else min(WAITS_SECONDS, 1.0))
        if self.jobs.unfinished() and not self._stop:
            self._process = self._begin()
        return LOOKS_EVERY_SECONDS

    def _begin(self) -> subprocess.Popen[bytes]:
        """Return a process that does the jobs and ends when there are none, or when we end."""
        command = [sys.executable, "-m", self._program, str(self.jobs.folder), str(os.getpid())]
        return subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
