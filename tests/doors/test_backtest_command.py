"""``hki backtest`` as a person meets it: figures with their split, from a file nobody has seen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hki_ml.cli import app

UNDATED = """
source = "here"
[id]
property = ["parcel"]
[price]
column = "price"
[facts]
living_sqft = "sqft"
area = "area"
"""
SALES = 600


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HKI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HKI_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(4)
    sqft = chance.uniform(700, 3_500, SALES).round()
    price = (np.exp(7.5 + 0.75 * np.log(sqft) + chance.normal(0, 0.1, SALES))).round()
    lines = [f"p{i},{sqft[i]},{price[i]},a{i % 3}" for i in range(SALES)]
    Path("x.csv").write_text("\n".join(["parcel,sqft,price,area", *lines]) + "\n")
    Path("m.toml").write_text(UNDATED)
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["backtest", "valuation", "x.csv", "-m", "m.toml", *words])


def test_a_file_without_dates_gets_a_random_split_that_is_labelled_in_text_and_json(
    here: Path,
) -> None:
    found = run("--json", "out.json")
    assert found.exit_code == 0, found.output
    assert "no dates: the split is random" in found.output
    told = json.loads((here / "out.json").read_text())
    assert told["split"].startswith("random")
    assert told["cutoff"] is None
    assert told["rows"]["accepted"] == SALES
    overall = told["overall, as_known"]["all"]
    assert overall["n"] == pytest.approx(0.2 * SALES, abs=2)
    assert overall["MdAPE"]["value"] < 15
    assert 0 <= overall["hit rate"]["value"] <= 100


def test_a_cut_off_for_a_file_without_dates_is_refused(here: Path) -> None:
    found = run("--cutoff", "2020-01-01")
    assert found.exit_code == 2
    assert "expected dates" in found.output
