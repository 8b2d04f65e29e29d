"""``hki sellers`` on a file of offers, good and bad."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from hki_ml.cli import app


def write(path, **more):
    made = np.random.default_rng(0)
    value = made.uniform(2e5, 9e5, 3_000)
    share = made.uniform(0.5, 1.1, 3_000)
    taken = made.random(3_000) < 1 / (1 + np.exp(-(np.log(share) - np.log(0.75)) / 0.08))
    rows = pl.DataFrame(
        {
            "offer_usd": share * value, "value_usd": value, "fsd": np.full(3_000, 0.08),
            "accepted": np.where(taken, "yes", "no"),
        }
    )  # fmt: skip
    rows.with_columns(**more).write_csv(path)
    return path


def test_offers_of_ones_own_tell_the_terms(tmp_path):
    said = CliRunner().invoke(app, ["sellers", str(write(tmp_path / "offers.csv"))])
    assert said.exit_code == 0
    rate = float(said.output.split("sellerMinimumRate ")[1].split(",")[0])
    assert rate == pytest.approx(0.75, abs=0.02)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"fsd": pl.lit("wide")}, "row 2: expected fsd above 0, got 'wide'"),
        ({"accepted": pl.lit("perhaps")}, "expected accepted to be yes or no, got 'perhaps'"),
    ],
)
def test_a_bad_cell_is_told_with_its_row(tmp_path, more, told):
    said = CliRunner().invoke(app, ["sellers", str(write(tmp_path / "offers.csv", **more))])
    assert said.exit_code != 0
    assert told in " ".join(said.output.split())


def test_a_file_without_the_columns_is_refused(tmp_path):
    (tmp_path / "offers.csv").write_text("price\n1\n")
    said = CliRunner().invoke(app, ["sellers", str(tmp_path / "offers.csv")])
    assert "offer_usd" in said.output
