"""Reading a file of rows, whatever its kind, in batches: memory does not grow with the file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from hki_ml.errors import FileUnreadable
from hki_ml.mapping.arrow_csv import read_csv
from hki_ml.mapping.format import Layout

Kind = Literal["csv", "parquet", "excel", "jsonl"]
BATCH_ROWS = 65_536
CSV_BLOCK_BYTES = 16 << 20  # a row must fit into a block: a million-character field does
SAMPLE_BYTES = 1 << 16
_SUFFIXES: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xls": "excel",
    ".xlsm": "excel",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_PACKED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that could not even be split into its columns."""

    row_number: int
    detail: str
    raw: str


@dataclass(frozen=True, slots=True)
class Rows:
    """A file that was looked into, but not read yet.

    ``total`` is the number of rows where the file says it (Parquet, Excel). ``batches`` gives frames of
    the wanted columns, of at most some 100,000 rows, and hands malformed rows to the callback.
    """

    path: Path
    kind: Kind
    columns: tuple[str, ...]
    total: int | None
    _read: Callable[[Sequence[str], Callable[[Malformed], None]], Iterator[pl.DataFrame]]

    def batches(
        self, columns: Sequence[str], on_malformed: Callable[[Malformed], None] = lambda _: None
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of these columns, in order.

        Raises
        ------
        FileUnreadable
            If the file turns out to be damaged on the way.
        """
        try:
            yield from self._read(columns, on_malformed)
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            reason = str(error).splitlines()[0]
            raise FileUnreadable(
                f"{self.path}: damaged or not in the stated encoding: {reason}"
            ) from error


def open_rows(path: Path, layout: Layout = Layout()) -> Rows:  # noqa: B008 - Layout is frozen
    """Return the file's rows, having found out what it is from its content.

    Raises
    ------
    FileUnreadable
        If it is missing, empty, truncated, or none of CSV, Parquet, Excel and JSON lines.
    """
    if not path.is_file():
        raise FileUnreadable(
            f"{path}: expected a file, found {'a folder' if path.is_dir() else 'nothing'}"
        )
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
    if not sample.strip():
        raise FileUnreadable(f"{path}: expected rows, the file is empty")
    kind = _kind(path, sample, layout)
    rows = _OPENERS[kind](path, layout)
    if len(set(rows.columns)) < len(rows.columns):
        twice = sorted({name for name in rows.columns if rows.columns.count(name) > 1})
        raise FileUnreadable(
            f"{path}: expected each column once, {', '.join(twice)} stand there twice"
        )
    return rows


def _kind(path: Path, sample: bytes, layout: Layout) -> Kind:
    said = _SUFFIXES.get(path.suffix.lower())
    found = _kind_of(sample, layout)
    packer = next((name for magic, name in _PACKED.items() if sample.startswith(magic)), None)
    if packer is not None:
        raise FileUnreadable(f"{path}: expected a plain file, found {packer}: unpack it")
    if found is None:
        raise FileUnreadable(
            f"{path}: expected CSV, Parquet, Excel or JSON lines, the content is none of them"
        )
    if said in ("parquet", "excel") and found != said:
        raise FileUnreadable(f"{path}: the name says {said}, the content looks like {found}")
    return found


def _kind_of(sample: bytes, layout: Layout) -> Kind | None:
    if sample.startswith(b"PAR1"):
        return "parquet"
    if sample.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return "excel"
    if b"\0" in sample and "16" not in layout.encoding and "32" not in layout.encoding:
        return None
    if sample.startswith((b"%PDF", b"<?xml", b"<html", b"<!DOCTYPE")):
        return None
    return "jsonl" if sample.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"{", b"[")) else "csv"


def _parquet(path: Path, layout: Layout) -> Rows:  # noqa: ARG001 - one shape for all openers
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns, total = tuple(file.schema_arrow.names), file.metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise FileUnreadable(
            f"{path}: expected a whole Parquet file, it is cut or damaged: {reason}"
        ) from error

    def read(wanted: Sequence[str], _: Callable[[Malformed], None]) -> Iterator[pl.DataFrame]:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
                yield _frame(pa.Table.from_batches([batch])).select(wanted)

    return Rows(path, "parquet", columns, total, read)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table never becomes a Series
    return frame


def _excel(path: Path, layout: Layout) -> Rows:
    import fastexcel

    try:
        book = fastexcel.read_excel(path)
        sheet = book.load_sheet(
            layout.sheet or 0, header_row=layout.header_row - 1, dtypes="string"
        ).to_polars()
    except fastexcel.FastExcelError as error:
        reason = str(error).splitlines()[0]
        raise FileUnreadable(f"{path}: expected an Excel workbook: {reason}") from error
    if layout.sheet is None and len(book.sheet_names) > 1:
        named = ", ".join(map(repr, book.sheet_names))
        raise FileUnreadable(
            f"{path}: expected one sheet, or file.sheet in the mapping; it has {named}"
        )

    def read(wanted: Sequence[str], _: Callable[[Malformed], None]) -> Iterator[pl.DataFrame]:
        yield from sheet.select(wanted).iter_slices(BATCH_ROWS)

    return Rows(path, "excel", tuple(sheet.columns), sheet.height, read)


def _csv(path: Path, layout: Layout) -> Rows:
    header = _header_line(path, layout)
    separator = layout.separator or max(",;\t|", key=header.count)
    names = tuple(name.strip() for name in next(csv.reader([header], delimiter=separator)))

    def read(
        wanted: Sequence[str], on_malformed: Callable[[Malformed], None]
    ) -> Iterator[pl.DataFrame]:
        def tell(row: Any) -> None:
            detail = f"expected {row.expected_columns} columns, got {row.actual_columns}"
            on_malformed(Malformed(row.number - layout.header_row, detail, row.text))

        reading = pyarrow.csv.ReadOptions(
            use_threads=False,  # only then does Arrow say the number of a malformed row
            block_size=CSV_BLOCK_BYTES,
            column_names=names,
            skip_rows=layout.header_row,
            encoding=layout.encoding,
        )
        converting = pyarrow.csv.ConvertOptions(
            include_columns=list(wanted),
            column_types=dict.fromkeys(wanted, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        )
        for batch in read_csv(path, (reading, converting), separator=separator, on_bad_row=tell):
            yield _frame(pa.Table.from_batches([batch]))

    return Rows(path, "csv", names, None, read)


def _header_line(path: Path, layout: Layout) -> str:
    try:
        with path.open(
            encoding="utf-8-sig" if layout.encoding == "utf8" else layout.encoding
        ) as file:
            lines = file.read(SAMPLE_BYTES).splitlines()
    except (UnicodeDecodeError, LookupError) as error:
        raise FileUnreadable(
            f"{path}: expected text in {layout.encoding}, got: {error}; "
            "say file.encoding in the mapping, e.g. 'latin1'"
        ) from error
    if len(lines) < layout.header_row or not lines[layout.header_row - 1].strip():
        raise FileUnreadable(f"{path}: expected the names of columns in line {layout.header_row}")
    return lines[layout.header_row - 1].removeprefix("ï»¿")  # a UTF-8 mark, read as Latin-1


_OBJECT = msgspec.json.Decoder(dict[str, Any])


def _jsonl(path: Path, layout: Layout) -> Rows:  # noqa: ARG001 - one shape for all openers
    with path.open("rb") as file:
        first = [line for line in file.readlines(SAMPLE_BYTES) if line.strip()]
    columns: dict[str, None] = {}
    for line in first:
        try:
            columns |= dict.fromkeys(_OBJECT.decode(line.lstrip(b"\xef\xbb\xbf")))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    if not columns:
        raise FileUnreadable(f"{path}: expected one JSON object a line, the first lines hold none")

    def read(
        wanted: Sequence[str], on_malformed: Callable[[Malformed], None]
    ) -> Iterator[pl.DataFrame]:
        number = 0
        with path.open("rb") as file:
            while lines := file.readlines(CSV_BLOCK_BYTES):
                objects = _objects(lines, number, on_malformed)
                number += len(lines)
                yield _from_objects(objects, wanted)

    return Rows(path, "jsonl", tuple(columns), None, read)


def _objects(
    lines: list[bytes], before: int, on_malformed: Callable[[Malformed], None]
) -> list[dict[str, Any]]:
    objects = []
    for number, line in enumerate(lines, before + 1):
        if line.isspace():
            continue
        try:
            objects.append(_OBJECT.decode(line.lstrip(b"\xef\xbb\xbf")))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            on_malformed(
                Malformed(number, f"expected a JSON object: {error}", line.decode(errors="replace"))
            )
    return objects


def _from_objects(objects: list[dict[str, Any]], wanted: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {name: [_text(each.get(name)) for each in objects] for name in wanted},
        schema=dict.fromkeys(wanted, pl.String),
    )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


_OPENERS: dict[Kind, Callable[[Path, Layout], Rows]] = {
    "csv": _csv,
    "parquet": _parquet,
    "excel": _excel,
    "jsonl": _jsonl,
}
