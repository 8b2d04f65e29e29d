"""One part of the platform: a process of its own, its log, and how one sees that it answers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hki_ml.errors import Unavailable

PATIENCE_SECONDS = 180.0
STOP_SECONDS = 15.0


@dataclass
class Part:
    """A process that is kept running.

    Attributes
    ----------
    is_ready
        Returns whether it answers; may raise ``OSError`` while it does not.
    log
        The file that takes all it says.
    is_resting
        Whether it ended too often of late and is left down for now, which was told.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    is_ready: Callable[[], bool]
    restarts: list[float] = field(default_factory=list)
    is_resting: bool = False
    process: subprocess.Popen[bytes] | None = None

    def start(self, folder: Path) -> None:
        """Start it in a session of its own: a Ctrl-C at the terminal goes to the supervisor alone."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(self.command),
                cwd=folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return None if self.process is None or self.has_ended else self.process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it was started and is gone."""
        return self.process is not None and self.process.poll() is not None

    def wait(self, is_stopped: Callable[[], bool]) -> None:
        """Wait until it answers.

        Raises
        ------
        Unavailable
            If it ends or does not answer in time; the end of its log says why.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_stopped():
            if self.has_ended:
                code = None if self.process is None else self.process.returncode
                raise Unavailable(f"{self.name} ended with {code}; {self.log} says:\n{self.tail()}")
            with contextlib.suppress(OSError):
                if self.is_ready():
                    return
            if time.monotonic() > deadline:
                raise Unavailable(f"{self.name} does not answer after {PATIENCE_SECONDS:.0f} s")
            time.sleep(0.2)

    def stop(self) -> None:
        """End it and all that it started: first asked, then made to."""
        if self.process is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)  # whatever is left of its group
        self.process.wait()

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


def answers(url: str) -> Callable[[], bool]:
    """Return a check whether a URL answers with success."""

    def check() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own loopback
                return bool(reply.status < 400)
        except urllib.error.HTTPError:
            return False

    return check
