"""``hki import`` as a person meets it: a table for good files, one message and exit code 2 for bad ones."""

from __future__ import annotations

import csv
import gzip
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
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


EUROPEAN = "parcel;sold;price;sqft\n" + "".join(
    f"p{i};2020-01-02;{400 + i}.000,50;1.500,5\n" for i in range(40)
)


def test_european_numbers_are_read_where_the_mapping_says_so(run: Run) -> None:
    Path("x.csv").write_text(EUROPEAN)
    refused = run("import", "x.csv", "-m", "m.toml", "--rejects", "r.csv")
    assert "file.decimal" in refused.output
    assert "price_unparsable" in refused.output
    Path("m.toml").write_text(MAPPING + '[file]\ndecimal = ","\n')
    replayed = run("replay", "r.csv", "-m", "m.toml")
    assert replayed.exit_code == 0, replayed.output
    from hki_ml.adapters.lake import DeltaLake

    sales = DeltaLake(Path("home/lake")).read("sales")
    assert sorted(sales["price_usd"].to_pylist()) == [400_000.5 + 1_000 * i for i in range(40)]
    assert set(sales["living_sqft"].to_pylist()) == {1_500.5}


def test_refused_rows_are_never_written_over_the_file_that_is_read(run: Run) -> None:
    Path("x.csv").write_text(HEADER + "p,2020-01-02,-1,1500\n")
    before = Path("x.csv").read_text()
    for command in ("import", "replay"):
        result = run(command, "x.csv", "-m", "m.toml", "--rejects", "./x.csv")
        assert (result.exit_code, "expected another file" in result.output) == (2, True)
    assert Path("x.csv").read_text() == before


def test_a_place_for_refused_rows_that_is_none_is_one_message(run: Run) -> None:
    Path("x.csv").write_text(HEADER + "p,2020-01-02,-1,1500\n")
    for place in ("no/such/folder.csv", "."):
        result = run("import", "x.csv", "-m", "m.toml", "--rejects", place)
        assert (result.exit_code, "refused rows can be written" in result.output) == (2, True)


def test_a_packed_file_and_a_folder_say_what_they_are(run: Run) -> None:
    Path("x.csv.gz").write_bytes(gzip.compress(HEADER.encode()))
    packed = run("import", "x.csv.gz", "-m", "m.toml")
    assert (packed.exit_code, "found gzip: unpack it" in packed.output) == (2, True)
    folder = run("import", ".", "-m", "m.toml")
    assert (folder.exit_code, "found a folder" in folder.output) == (2, True)


def test_a_workbook_of_several_sheets_is_read_from_the_one_that_is_named(run: Run) -> None:
    book = openpyxl.Workbook()
    book.active.append(["read me"])
    sales = book.create_sheet("sales")
    for row in csv.reader([HEADER, "p1,2020-01-02,400000,1500"]):
        sales.append(row)
    book.save("x.xlsx")
    unnamed = run("import", "x.xlsx", "-m", "m.toml")
    assert (unnamed.exit_code, "'sales'" in unnamed.output) == (2, True)
    Path("m.toml").write_text(MAPPING + '[file]\nsheet = "sales"\n')
    named = run("import", "x.xlsx", "-m", "m.toml")
    assert named.exit_code == 0, named.output


def test_a_marked_latin_file_with_windows_line_ends_is_read_as_its_mapping_says(run: Run) -> None:
    text = HEADER + 'pé,2020-01-02,400000,1500\n"p\n2",2020-01-02,400000,1500\n'
    Path("x.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode("latin-1"))
    unsaid = run("import", "x.csv", "-m", "m.toml")
    assert (unsaid.exit_code, "file.encoding" in unsaid.output) == (2, True)
    Path("m.toml").write_text(MAPPING + '[file]\nencoding = "latin1"\n')
    said = run("import", "x.csv", "-m", "m.toml")
    assert said.exit_code == 0, said.output
    from hki_ml.adapters.lake import DeltaLake

    homes = DeltaLake(Path("home/lake")).read("sales")["property_id"].to_pylist()
    assert homes[0] == "pé"
    assert len(homes) == 2


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("file", "at_least"),
    [
        ("seattle_repeat_sales/seattle_sales.parquet", 0.95),
        ("kc_house_sales/kc_house_sales.parquet", 0.95),
        ("ames_house_sales/ames_house_sales.parquet", 0.95),
        ("sg_hdb_resale/hdb_resale_2017_2023.parquet", 0.95),
        ("nyc_property_sales/nyc_sales_2015bk_2019_2024.parquet", 0.95),
    ],
)
def test_a_suggested_mapping_reads_nearly_all_of_a_real_file(
    file: str, at_least: float, run: Run, real_data: Path
) -> None:
    path = str(real_data / file)
    draft = run("mapping", "suggest", path)
    Path("m.toml").write_text(draft.output)
    said = run("import", path, "-m", "m.toml", "--dry-run")
    assert said.exit_code == 0, said.output
    counts = {
        line.split("│")[2].strip(): int(line.split("│")[1].strip().replace(",", ""))
        for line in said.output.splitlines()
        if re.match(r"│ +[0-9]", line)
    }
    known = counts["accepted"] + counts["duplicates"]
    assert known >= at_least * (counts["read"] - counts["filtered"])
