"""A part that ends again and again rests and is told once; the others go on."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from hki_ml.alerts import recent
from hki_ml.platform import supervisor as module
from hki_ml.platform.parts import Part
from hki_ml.platform.supervisor import MOST_RESTARTS, Supervisor
from hki_ml.settings import Settings
from tests.conftest import ROOT, free_port


def part(name: str, folder: Path, program: str) -> Part:
    return Part(name, [sys.executable, "-c", program], {}, folder / f"{name}.log", lambda: True)


def test_a_part_that_ends_again_and_again_rests_and_the_others_go_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor(settings, ROOT, lambda _: None)
    monkeypatch.setattr(supervisor._stopped, "wait", lambda _seconds: False)  # no pause between
    ends = part("mlflow", tmp_path, "print('it ends')")
    lives = part("service", tmp_path, "import time; time.sleep(600)")
    for each in (ends, lives):
        supervisor._begin(each)
    try:
        for _ in range(MOST_RESTARTS + 2):
            assert ends.process is not None
            ends.process.wait(30)
            supervisor._keep_up()
        assert ends.has_ended
        assert len(ends.restarts) == MOST_RESTARTS
        assert lives.pid is not None
        (told,) = recent(settings)
        assert told.alert.key == "part-rests:mlflow"
        assert "it ends" in told.alert.detail
        monkeypatch.setattr(module, "REST_SECONDS", 0.0)  # ten minutes later
        time.sleep(0.01)
        supervisor._keep_up()
        assert len(ends.restarts) == 1
    finally:
        supervisor._stop()


def test_a_worker_that_ends_with_its_server_waits_for_it_and_the_others_go_on(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings.model_copy(
        update={"platform": settings.platform.model_copy(update={"prefect_port": free_port()})}
    )
    supervisor = Supervisor(given, ROOT, lambda _: None)
    monkeypatch.setattr(supervisor._stopped, "wait", lambda _seconds: False)
    worker = part("worker", tmp_path, "print('it ends')")
    lives = part("service", tmp_path, "import time; time.sleep(600)")
    for each in (worker, lives):
        supervisor._begin(each)
    try:
        assert worker.process is not None
        worker.process.wait(30)
        for _ in range(3):
            supervisor._keep_up()  # nobody answers at the server's port
        assert worker.has_ended
        assert worker.restarts == []
        assert lives.pid is not None
        monkeypatch.setattr(supervisor, "_recover", lambda _runs: None)  # it answers again
        supervisor._keep_up()
        assert len(worker.restarts) == 1
    finally:
        supervisor._stop()
