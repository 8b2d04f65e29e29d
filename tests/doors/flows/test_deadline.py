"""A run that is stuck in native code, or whose worker is gone, ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT
from tests.doors.flows.conftest import environment

# A run of a deployment knows its id; so does this process.
NATIVE = """
import numpy as np
from flows.door import watched
watched(1.0)
many = np.random.default_rng(0).normal(size=(4000, 4000))
while True:
    np.linalg.svd(many)
"""
IDLE = """
import subprocess, sys
child = "import time; from flows.door import watched; watched(60.0); print('up', flush=True); time.sleep(60)"
subprocess.run([sys.executable, "-c", child])
"""


def run(code: str, home: Path) -> subprocess.Popen[str]:
    told = environment(home, PREFECT__RUNTIME__DEPLOYMENT__ID="x", OMP_NUM_THREADS="1")
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=told, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_native_code_that_ignores_a_soft_timeout_is_ended_and_says_where_it_stood(
    tmp_path: Path,
) -> None:
    started = time.monotonic()
    with run(NATIVE, tmp_path) as stuck:
        _, said = stuck.communicate(timeout=60)
    assert stuck.returncode == 1
    assert "Timeout" in said
    assert "svd" in said
    assert time.monotonic() - started < 15


def test_a_run_does_not_outlive_its_worker(tmp_path: Path) -> None:
    with run(IDLE, tmp_path) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "up\n"
        os.kill(worker.pid, signal.SIGKILL)
        started = time.monotonic()
        worker.stdout.read()  # the child held the other end until it was gone
    assert time.monotonic() - started < 5
