"""The versions of constraints.txt install together, for somebody who has nothing yet."""

from __future__ import annotations

import json
import re
import subprocess
import venv
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.house.test_versions import PINS, declared, plain


@pytest.mark.server
def test_the_versions_resolve_in_an_empty_environment(tmp_path: Path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    command = [python, "-m", "pip", "install", "--dry-run", "-q", "-c", "constraints.txt"]
    done = subprocess.run(
        [*command, "--report", str(tmp_path / "report.json"), f"{ROOT}[all,dev]"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode and re.search(
        r"connection|resolution in name|timed out", done.stderr, re.IGNORECASE
    ):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "report.json").read_text())["install"]
    chosen = {plain(each["metadata"]["name"]): each["metadata"]["version"] for each in found}
    assert declared() <= set(chosen)
    wrong = {
        name: (PINS[name], said)
        for name, said in chosen.items()
        if PINS.get(name, said) != said.split("+")[0]
    }
    assert wrong == {}
