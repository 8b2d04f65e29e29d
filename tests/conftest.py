"""What every test may ask for: settings in a folder of its own."""

from __future__ import annotations

import atexit
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest

from hki_ml.settings import Settings

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pytest_configure(config: pytest.Config) -> None:
    """Let prometheus_client count over processes, which it decides when it is first imported."""
    folder = tempfile.TemporaryDirectory(prefix="hki-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder.name
    config.add_cleanup(folder.cleanup)
    atexit.register(_leave)  # first in, last out


ENDED_AS: list[int] = []


def _leave() -> None:
    """End this process without taking the interpreter apart: one that holds every library at once.

    Native threads of one or other of them have brought it down with a segfault after the last test
    of a run, whose result it then was. That our own processes end well is asserted where they are started.
    """
    if ENDED_AS:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ENDED_AS[-1])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return embedded settings whose every file lies under the test's own folder."""
    return Settings(home=tmp_path / "hki", _env_file=None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of public data sets, or skip where it is missing."""
    folder = Path(os.environ.get("HKI_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public data sets at {folder} (HKI_REAL_DATA)")
    return folder


ALLOWED_SKIPS = ("no public data sets at", "no container engine")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Name the skips that are not allowed where everything must be able to run."""
    for reason in _bad_skips(terminalreporter):
        terminalreporter.write_line(f"a skip that CI does not allow: {reason}", red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a CI run that skipped for any other reason than missing data or container engine."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and exitstatus == 0 and _bad_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    ENDED_AS.append(int(session.exitstatus))


def _bad_skips(reporter: pytest.TerminalReporter) -> list[str]:
    if not os.environ.get("CI"):
        return []
    skipped = reporter.stats.get("skipped", [])
    reasons = [str(report.longrepr[2]) for report in skipped]
    return [reason for reason in reasons if not any(text in reason for text in ALLOWED_SKIPS)]
