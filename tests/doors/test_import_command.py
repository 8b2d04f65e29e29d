"""``hki import`` as a person meets it: a table for good files, one message and exit code 2 for bad ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hki_ml.cli import app

MAPPING = """
source = "here"
[id]
property = ["parcel"]
[date]
column = "sold"
[price]
column = "price"
[facts]
living_sqft = "sqft"
"""
HEADER = "parcel,sold,price,sqft\n"
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HKI_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    Path("m.toml").write_text(MAPPING)
    return lambda *words: CliRunner().invoke(app, words)


def test_a_good_file_ends_in_a_table_that_adds_up(run: Run) -> None:
    rows = [f"p{i},2020-01-02,{300_000 + i},1500\n" for i in range(1_234)]
    Path("x.csv").write_text(HEADER + "".join(rows) + "p,2020-01-02,-1,1500\n" + rows[0])
    first = run("import", "x.csv", "-m", "m.toml", "--rejects", "r.csv")
    assert first.exit_code == 0, first.output
    for text in ("1,236", "1,234", "price_not_positive", "hki replay r.csv"):
        assert text in first.output
    second = run("import", "x.csv", "-m", "m.toml")
    assert "1,235" in second.output
    mended = Path("r.csv").read_text().replace(",-1", ",1000")
    Path("r.csv").write_text(mended)
    assert run("replay", "r.csv", "-m", "m.toml").exit_code == 0


@pytest.mark.parametrize(
    ("name", "content", "mapping", "says"),
    [
        ("x.csv", b"", MAPPING, "the file is empty"),
        ("x.parquet", b"PAR1 cut off here", MAPPING, "cut or damaged"),
        ("x.csv", b"\x89PNG\r\n\0\0", MAPPING, "none of them"),
        ("x.csv", b"parcel,sold,cost\n1,2,3\n", MAPPING, "no column 'price'"),
        ("x.csv", HEADER.encode(), "source = ", "syntax error"),
        ("x.csv", HEADER.encode(), MAPPING + "lot_sqf = 'a'", "did you mean 'lot_sqft'"),
        ("x.csv", HEADER.encode(), MAPPING.replace('[date]\ncolumn = "sold"', ""), "no [date]"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(
    name: str, content: bytes, mapping: str, says: str, run: Run
) -> None:
    Path(name).write_bytes(content)
    Path("m.toml").write_text(mapping)
    result = run("import", name, "-m", "m.toml")
    assert result.exit_code == 2
    assert says in result.output
    assert "Traceback" not in result.output


def test_wrong_units_are_warned_of_with_the_key_to_look_at(run: Run) -> None:
    rows = [f"p{i},2020-01-02,{300 + i},1500\n" for i in range(100)]
    Path("x.csv").write_text(HEADER + "".join(rows))
    result = run("import", "x.csv", "-m", "m.toml", "--dry-run")
    assert result.exit_code == 0
    assert "price.unit" in result.output


def test_a_suggested_mapping_reads_the_file_it_was_made_for(run: Run) -> None:
    rows = [f"p{i},2020-01-02,{300_000 + i},1500\n" for i in range(100)]
    Path("x.csv").write_text("parcel_id,sale_date,sale_price,sqft_living\n" + "".join(rows))
    draft = run("mapping", "suggest", "x.csv")
    assert draft.exit_code == 0, draft.output
    Path("m.toml").write_text(draft.output)
    result = run("import", "x.csv", "-m", "m.toml", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "100" in result.output


def test_the_command_line_imports_nothing_heavy() -> None:
    heavy = (
        "polars",
        "pandas",
        "pyarrow",
        "duckdb",
        "deltalake",
        "torch",
        "feast",
        "mlflow",
        "sklearn",
    )
    code = f"import sys, hki_ml.cli; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
