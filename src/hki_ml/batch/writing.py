"""The finished files: all parts in one, as Parquet or as CSV whose cells no spreadsheet will run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hki_ml.batch.job import Format

FORMULA = r"^[=+\-@\t\r\n]"
NUMBER = r"^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$"
REJECT_COLUMNS = ("row_number", "entity_id", "reason", "detail")


def inert(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with an apostrophe before every text that a spreadsheet would take for a formula.

    A text that is a number stays as it is: ``-5`` is no formula. (OWASP, "CSV injection".)

    Examples
    --------
    >>> inert(pl.DataFrame({"a": ["=1+1", "-5", "x", "@sum"], "n": [-1, 2, 3, 4]}))["a"].to_list()
    ["'=1+1", '-5', 'x', "'@sum"]
    """
    runs = pl.col(pl.String).str.contains(FORMULA) & ~pl.col(pl.String).str.contains(NUMBER)
    return frame.with_columns(
        pl.when(runs).then(pl.lit("'") + pl.col(pl.String)).otherwise(pl.col(pl.String)).name.keep()
    )


def write_result(parts: Iterable[Path], out: Path, kind: Format, schema: pa.Schema) -> None:
    """Write the parts one after the other; the file is there whole or not at all."""
    draft = out.with_name(f".{out.name}.draft")
    if kind == "parquet":
        with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
            for part in parts:
                writer.write_table(pq.read_table(part).cast(schema))
    else:
        _csv(draft, schema.empty_table(), (pq.read_table(part) for part in parts))
    os.replace(draft, out)  # noqa: PTH105 - the atomic swap is the point


def write_rejects(parts: Iterable[Path], out: Path) -> None:
    """Write the rows that got no answer in the order of their numbers, as CSV."""
    tables = [pq.read_table(part) for part in parts]
    together = pa.concat_tables(tables).sort_by("row_number").select(list(REJECT_COLUMNS))
    draft = out.with_name(f".{out.name}.draft")
    _csv(draft, together.slice(0, 0), [together])
    os.replace(draft, out)  # noqa: PTH105 - the atomic swap is the point


def _csv(out: Path, head: pa.Table, tables: Iterable[pa.Table]) -> None:
    with out.open("wb") as file:
        _frame(head).write_csv(file)
        for table in tables:
            inert(_frame(table)).write_csv(file, include_header=False)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table never becomes a Series
    return frame
