"""The set of versions in constraints.txt installs and imports together."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
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


def plain(name: str) -> str:
    """Return a distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    """Return every distribution that pyproject.toml names, except ourselves."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    named = [re.match(r"[A-Za-z0-9._-]+", each) for group in groups for each in group]
    return {plain(found[0]) for found in named if found} - {plain(project["name"])}


def test_everything_that_pyproject_names_has_one_version():
    assert declared() - {plain(name) for name in PINS} == set()
    assert len(PINS) == len({plain(name) for name in PINS})


def test_constraints_hold_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[0-9a-z.+]+", line), line
