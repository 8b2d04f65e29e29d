from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from hki_ml.errors import FileUnreadable
from hki_ml.mapping.files import Malformed, open_rows
from hki_ml.mapping.format import Layout

FRAME = pl.DataFrame({"id": ["a", "b 🏠", None], "price": ["1", "2.5", "3"]})


def _excel(path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (FRAME.columns, *FRAME.rows()):
        book.active.append(row)
    book.save(path)


WRITERS: dict[str, Callable[[Path], object]] = {
    "rows.csv": FRAME.write_csv,
    "rows.tsv": lambda path: FRAME.write_csv(path, separator="\t"),
    "rows.parquet": FRAME.write_parquet,
    "rows.xlsx": _excel,
    "rows.jsonl": FRAME.write_ndjson,
}


def content(path: Path, layout: Layout = Layout()) -> pl.DataFrame:  # noqa: B008
    rows = open_rows(path, layout)
    return pl.concat(list(rows.batches(rows.columns)))


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    assert content(tmp_path / name).equals(FRAME)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet", "rows.jsonl"])
def test_the_content_counts_where_the_name_says_nothing(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    path = (tmp_path / name).rename(tmp_path / "unnamed")
    assert content(path).equals(FRAME)


def _truncated(path: Path) -> None:
    FRAME.write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("x.csv", lambda path: path.write_bytes(b""), "is empty"),
        ("x.csv", lambda path: path.write_bytes(b" \n\n"), "is empty"),
        ("x.parquet", _truncated, "cut or damaged"),
        ("x.parquet", lambda path: path.write_bytes(b"id,price\n1,2\n"), "the name says parquet"),
        ("x.xlsx", lambda path: path.write_bytes(b"PK\x03\x04nonsense"), "Excel"),
        ("x.csv", lambda path: path.write_bytes(b"\x89PNG\0\0\0"), "none of them"),
        ("x.pdf", lambda path: path.write_bytes(b"%PDF-1.7 text"), "none of them"),
        (
            "x.csv",
            lambda path: path.write_bytes("straße,preis\nä,1\n".encode("latin1")),
            "file.encoding",
        ),
        ("x.csv", lambda path: path.write_bytes(b"a,a\n1,2\n"), "stand there twice"),
        ("x.jsonl", lambda path: path.write_bytes(b"{nonsense\n"), "one JSON object a line"),
        ("x.jsonl", lambda path: path.write_bytes(b"[1, 2]\n"), "one JSON object a line"),
        ("nothing.csv", Path.exists, "found nothing"),
    ],
)
def test_an_unreadable_file_is_refused_in_one_sentence(
    name: str, write: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    with pytest.raises(FileUnreadable, match=name) as caught:
        content(tmp_path / name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_stated_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("straße\nä\n".encode("latin1"))
    assert content(path, Layout(encoding="latin1")).rows() == [("ä",)]


def test_a_wrong_encoding_far_down_is_said_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"id\n" + b"plain\n" * 50_000 + b"\xe4\n")
    with pytest.raises(FileUnreadable, match="not in the stated encoding"):
        content(path)


def test_titles_above_the_header_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Sales of the year\n\nid,price\na,1\n")
    assert content(path, Layout(header_row=3)).rows() == [("a", "1")]


def test_lines_that_do_not_split_are_handed_out_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,price\na,1\nb\nc,3\nd,4,5\n")
    found: list[Malformed] = []
    rows = open_rows(path)
    assert pl.concat(list(rows.batches(rows.columns, found.append)))["id"].to_list() == ["a", "c"]
    assert [(each.row_number, each.raw) for each in found] == [(2, "b"), (4, "d,4,5")]


def test_broken_json_lines_are_handed_out_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": "a", "price": 1}\n{"id": \n{"id": "c", "price": 3.5}\n')
    found: list[Malformed] = []
    rows = open_rows(path)
    assert pl.concat(list(rows.batches(rows.columns, found.append))).rows() == [
        ("a", "1"),
        ("c", "3.5"),
    ]
    assert [each.row_number for each in found] == [2]


def test_a_million_character_field_passes_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,price\n" + "x" * 1_000_000 + ",1\nb,2\n")
    assert content(path)["price"].to_list() == ["1", "2"]


def test_a_large_file_comes_in_batches(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pl.DataFrame({"id": range(200_000)}).write_parquet(path)
    assert max(batch.height for batch in open_rows(path).batches(["id"])) <= 65_536
