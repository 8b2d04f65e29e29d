"""Risk on decided cases that are public: split in time where there are dates, and said so where not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hki_ml.mapping.loading import load_mapping
from hki_ml.metrics.groups import treatment
from hki_ml.pipeline.backtest import Backtested, Question, backtest

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.real_data


def judged(file: Path, mapping: str) -> Backtested:
    described = load_mapping(ROOT / "mappings" / f"{mapping}.toml")
    return backtest("risk", file, described, Question(None, None, NOW, threads=1))


def test_loans_are_judged_by_later_loans_and_ahead_of_the_published_model(real_data: Path):
    found = judged(real_data / "sba_loans_california_realestate/sba_case_2102.parquet", "sba")
    assert not found.is_random_split
    report = found.report.as_json()
    in_time = {name.split(":")[0]: row for name, row in report["cases"].items()}
    ours, theirs = in_time["ours"], in_time["published model, refitted"]
    assert ours["n"] == 526
    assert 0.26 < ours["error_at_half"]["value"] < 0.33
    assert ours["error_at_half"]["high"] < theirs["error_at_half"]["low"]
    assert ours["AUC"]["low"] > theirs["AUC"]["high"] - 0.01
    # The published split is at random in time: what it says is better than what comes true.
    flattered = next(row for name, row in report.items() if name.startswith("the published split"))
    easy = {name.split(":")[0]: row for name, row in flattered.items()}
    assert easy["ours"]["error_at_half"]["high"] < ours["error_at_half"]["low"]


def test_applications_without_dates_are_judged_at_random_and_it_is_told(real_data: Path):
    found = judged(real_data / "hmda_mortgage_applications/hmda_applications.parquet", "hmda")
    assert found.is_random_split
    table = {name.split(":")[0]: row for name, row in found.report.as_json()["cases"].items()}
    assert table["ours"]["AUC"]["low"] > 0.82
    assert table["ours"]["AUC"]["low"] > table["regression, ridge 1"]["AUC"]["high"]


def test_the_classic_disparity_of_boston_is_measured_as_published(real_data: Path):
    """Denied: 28.3 % of Black applicants, 9.3 % of others (Munnell et al. 1996)."""
    rows = pd.read_parquet(real_data / "hmda_boston_1990/hmda_boston_aer.parquet")
    approved = (rows["deny"] == "no").to_numpy(np.float64)
    found = treatment(approved, approved, rows["afam"].to_numpy(object))
    assert found.impact_ratio == pytest.approx((1 - 0.283) / (1 - 0.093), abs=0.002)
    assert found.impact_ratio < 0.8  # below the four fifths of 29 CFR 1607.4
    assert found.opportunity_gap == 0  # who was approved was, in both groups
