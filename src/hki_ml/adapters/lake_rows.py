"""Rows on their way into a table: under its schema, some at a time, and whether they are there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

_CAST_AT_ONCE = 16_384


def counted(handle: DeltaTable) -> int:
    """Return how many rows the table has, by its log."""
    counts = pa.table(handle.get_add_actions(flatten=True))["num_records"].to_pylist()
    return sum(count or 0 for count in counts)


def contents(batches: Iterable[pa.RecordBatch]) -> tuple[int, int]:
    """Return how many rows these are and a sum over them: the same for the same rows in any order.

    delta-rs writes batches in whichever order its writers come to them.
    """
    rows = total = 0
    for batch in batches:
        each = pl.from_arrow(pa.Table.from_batches([batch]))
        assert isinstance(each, pl.DataFrame)  # noqa: S101 - a table is one
        rows += each.height
        total += int(each.hash_rows().sum()) if each.height else 0
    return rows, total % 2**64


def in_batches(parts: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the parts' rows under a schema, some at a time."""
    for part in parts:
        for batch in part.select(schema.names).to_batches(max_chunksize=_CAST_AT_ONCE):
            yield cast(batch, schema)


def cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch under a schema, its columns in that order."""
    return pa.RecordBatch.from_arrays(
        [batch.column(name).cast(schema.field(name).type) for name in schema.names], schema=schema
    )
