"""Each flow run by hand with no server anywhere does what the pipeline does."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT
from tests.doors.flows.conftest import SALES, Walked, environment


def test_every_flow_of_the_folder_runs_without_a_server(walked: Walked) -> None:
    files = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__", "door"}
    assert files == set(walked.did) - {"seconds"}


def test_no_server_was_started_and_nothing_of_prefect_was_written(walked: Walked) -> None:
    assert not list((walked.home / "prefect").rglob("*.db"))


def test_the_import_brings_the_file_into_the_lake(walked: Walked) -> None:
    assert walked.did["importing"] == {"read": SALES, "accepted": SALES}
    assert walked.backend().lake.read("sales").num_rows == SALES


def test_the_ingest_brings_in_what_came_by_the_bus(walked: Walked) -> None:
    assert walked.did["ingest"] == {"read": 1, "accepted": 1}


def test_what_was_told_is_online_after_the_materialization(walked: Walked) -> None:
    assert walked.did["materialize"]["rows"] > SALES
    (row,) = walked.backend().features.online("valuation", ["told-by-hand"])
    assert row.values["living_sqft"] == 1_234.0


def test_the_training_registers_a_version_and_the_gate_says_why_or_why_not(walked: Walked) -> None:
    assert walked.did["train"] == {"version": "1", "is_new": True}
    said = walked.did["promote"]
    champion = walked.backend().registry.resolve("valuation", "champion")
    assert said["promoted"] == (champion is not None) == (not said["reasons"])


def test_a_retraining_with_nothing_new_trains_nothing(walked: Walked) -> None:
    told = {"outcome": "not promoted", "version": "1", "is_new": False}
    assert walked.did["retrain"] == told


def test_what_was_not_measured_is_told_so(walked: Walked) -> None:
    assert walked.did["fairness"]["valuation"] == "not measured"
    assert walked.did["fairness"]["conversion"] == "no champion"
    assert walked.did["experiment"] == 0
    markdown, html = walked.did["review"]["files"]
    text = Path(markdown).read_text()
    assert "conversion: nothing serves" in text
    assert "not measured" in text
    assert "<h2>Figures over time</h2>" in Path(html).read_text()


def test_the_reconciler_says_that_it_needs_a_server(walked: Walked) -> None:
    assert "PREFECT_API_URL" in walked.did["reconcile"]


def test_a_flow_by_hand_takes_no_longer_than_its_imports(walked: Walked) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "flows.retention"],
        cwd=ROOT, env=environment(walked.home), capture_output=True, text=True, check=True,
    )  # fmt: skip
    seconds = time.monotonic() - started
    assert "quarantine" in done.stdout
    assert seconds < 10, f"{seconds:.1f} s: a server of its own takes 13 to 20"
