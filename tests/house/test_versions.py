"""The set of versions in constraints.txt installs and imports together."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from tests.conftest import ROOT

PINS = dict(
    line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
)
DISTRIBUTIONS = [
    "bentoml",
    "deltalake",
    "duckdb",
    "fastapi",
    "feast",
    "hiredis",
    "ibis-framework",
    "lightgbm",
    "mlflow",
    "msgspec",
    "numba",
    "numpy",
    "pandas",
    "polars",
    "prefect",
    "pyarrow",
    "pydantic",
    "redis",
    "scikit-learn",
    "sqlalchemy",
    "starlette",
    "torch",
]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_what_is_installed_is_what_is_pinned(name):
    assert version(name).split("+")[0] == PINS[name]


@pytest.mark.parametrize("module", ["prefect.server", "feast", "mlflow", "bentoml", "torch"])
def test_it_imports(module):
    # A process of its own: the frameworks' imports change warning filters and event loops.
    subprocess.run([sys.executable, "-W", "ignore", "-c", f"import {module}"], check=True)


def test_constraints_hold_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[0-9a-z.+]+", line), line
