"""``hki groups`` and ``hki fairness`` as a compliance officer runs them, on good files and bad."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from hki_ml.catalog import ROOMS
from hki_ml.cli import app


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HKI_HOME", str(tmp_path / "home"))


def run(*words: str):
    said = CliRunner().invoke(app, list(words))
    return said.exit_code, " ".join(said.output.split())


def test_groups_are_kept_once_and_an_audit_without_a_champion_says_so(tmp_path):
    file = tmp_path / "groups.csv"
    file.write_text("lead_id,attribute,group\na,race,x\nb,race,y\nb,sex,\n")
    assert run("groups", str(file), "--source", "survey")[1].startswith("2 kept, 0 known before")
    assert run("groups", str(file), "--source", "survey")[1].startswith("0 kept, 2 known before")
    code, said = run("fairness")
    assert (code, said.count("no champion")) == (0, len(ROOMS))


def test_a_bad_file_is_told_with_its_row_and_keeps_nothing(tmp_path):
    file = tmp_path / "groups.csv"
    file.write_text("lead_id,attribute,group\na,race,x\nb,shoes,y\n")
    code, said = run("groups", str(file), "--source", "survey")
    assert code != 0
    assert "row 3: expected an attribute that the law protects" in said
    assert not (tmp_path / "home" / "lake" / "protected_groups").exists()
