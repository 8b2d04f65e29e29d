"""``hki rollback`` under load: the version before serves again, and nobody's question fails meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from leads_home import ENDS, add_version, at_home

from hki_ml.ledger import entries
from hki_ml.pipeline.ledger import settle
from hki_ml.settings import load_settings
from hki_ml.wiring import connect

ML = "/api/v1/ml"
ROOM = "conversion"


class Asking(threading.Thread):
    """Asks one question after another until it is told to stop; keeps what came."""

    def __init__(self, url: str, lead: str) -> None:
        super().__init__(daemon=True)
        self.url, self.lead = url, lead
        self.failed: list[str] = []
        self.versions: list[str] = []
        self.since: dict[str, float] = {}
        self._stop_asking = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self.url + ML, timeout=20) as client:
            while not self._stop_asking.is_set():
                said = client.post("/predict-conversion", json={"leadId": self.lead})
                if said.status_code != 200:
                    self.failed.append(said.text)
                else:
                    self.versions.append(said.json()["data"]["modelVersion"])
                    self.since.setdefault(self.versions[-1], time.monotonic())
                time.sleep(0.005)

    def end(self) -> None:
        self._stop_asking.set()
        self.join(30)

    def waits_for(self, version: str) -> None:
        begun = time.monotonic()
        while not self.versions or self.versions[-1] != version:
            assert time.monotonic() < begun + 60, (
                f"{version} never served, but {self.versions[-1:]}"
            )
            time.sleep(0.01)


@pytest.mark.server
def test_a_bad_version_is_taken_back_without_a_failed_request(
    leads_server, leads_home, record_testsuite_property
):
    lead = httpx.get(f"{leads_server}{ML}/leads?limit=1").json()["data"]["leads"][0]["leadId"]
    with at_home(leads_home):
        backend = connect(load_settings())
        settle(backend, ROOM, at=ENDS)
        good = backend.registry.resolve(ROOM, "champion").version
        bad = add_version(backend, ROOM, as_of=ENDS, seed=41)
        settle(backend, ROOM, at=ENDS)
        asking = Asking(leads_server, lead)
        asking.start()
        try:
            asking.waits_for(bad)
            asking.since.clear()
            begun = time.monotonic()
            done = subprocess.run(
                [Path(sys.executable).with_name("hki"), "rollback", ROOM, "--because", "a test"],
                capture_output=True, text=True, env=dict(os.environ), timeout=120, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            asking.waits_for(good)
        finally:
            asking.end()
        record_testsuite_property("seconds_from_command_to_answer", asking.since[good] - begun)
        assert f"version {good} serves again instead of {bad}" in done.stdout
        assert asking.failed == []
        last = entries(backend.lake, ROOM)[-1]
        assert (last.decision, last.version, last.reasons) == ("rolled back", good, ("a test",))
