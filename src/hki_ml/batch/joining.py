"""The rows beside what is known of them: joined on disk, in the order of the file, once for the whole job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hki_ml.batch.reading import REFUSED, refusal
from hki_ml.batch.scorer import ENTITY, FACTS, LIVE, ROW, SEEN, Known
from hki_ml.tables import TIME

MEMORY = "800MB"  # what DuckDB may hold before it goes to disk
_BATCH = 20_000


def join(
    rows: Path, known: Known, out: Path, refused_out: Path, *, chunk_rows: int
) -> tuple[int, dict[str, int]]:
    """Write each row with its state, a row group a chunk; return how many, and how many were refused why.

    The second time an id stands there it is refused, and so is who nobody knows.
    """
    import duckdb

    key = known.schema.names[0]
    schema = _schema(known.schema)
    refused: dict[str, int] = {}
    count = 0
    spill = out.parent / "spill"
    spill.mkdir(exist_ok=True)
    with duckdb.connect() as connection, pq.ParquetWriter(refused_out, REFUSED) as refuse:
        connection.execute(f"SET memory_limit = '{MEMORY}'; SET threads = 1; SET TimeZone = 'UTC'")
        connection.execute("SET temp_directory = $folder", {"folder": str(spill)})
        connection.register("known", pa.RecordBatchReader.from_batches(known.schema, known.batches))
        connection.execute(
            "CREATE TEMP TABLE asked AS SELECT *, min(row_number) OVER (PARTITION BY entity_id) AS "  # noqa: S608
            f"first_row FROM read_parquet('{str(rows).replace(chr(39), chr(39) * 2)}')"
        )
        query = (
            f"SELECT a.first_row, a.row_number, a.entity_id, a.facts_json, k.* FROM asked a "  # noqa: S608
            f'LEFT JOIN known k ON a.entity_id = k."{key}" ORDER BY a.row_number'
        )
        found = connection.execute(query).to_arrow_reader(_BATCH)
        with pq.ParquetWriter(out, schema, compression="zstd") as keep:
            for table in _chunks(_told(found, known, schema, refuse, refused), schema, chunk_rows):
                keep.write_table(table, row_group_size=chunk_rows)
                count += table.num_rows
    return count, dict(sorted(refused.items()))


def _schema(state: pa.Schema) -> pa.Schema:
    own = [f for f in state if f.name not in {state.names[0], SEEN}]
    return pa.schema(
        [
            (ROW, pa.int64()), (ENTITY, pa.string()), (FACTS, pa.string()), (SEEN, TIME),
            (LIVE, pa.list_(pa.string())), *((f.name, f.type) for f in own),
        ]
    )  # fmt: skip


def _told(
    found: Iterable[pa.RecordBatch], known: Known, schema: pa.Schema,
    refuse: pq.ParquetWriter, refused: dict[str, int],
) -> Iterator[pa.Table]:  # fmt: skip
    key = known.schema.names[0]
    for batch in found:
        table = pa.Table.from_batches([batch])
        ids, first = table[ENTITY].to_pylist(), table["first_row"].to_pylist()
        numbers, seen = table[ROW].to_pylist(), table[key].is_valid().to_pylist()
        bad: list[dict[str, Any]] = []
        keep: list[int] = []
        newer: dict[int, tuple[Any, tuple[str, ...]]] = {}
        for at, entity in enumerate(ids):
            if entity is not None and first[at] != numbers[at]:
                detail = f"the id stands in row {first[at]} already"
                bad.append(refusal(numbers[at], entity, "id_duplicate", detail))
            elif entity in known.newer:
                newer[len(keep)] = known.newer[entity]
                keep.append(at)
            elif entity is not None and not seen[at]:
                bad.append(refusal(numbers[at], entity, "id_unknown", "nobody of that id is known"))
            else:
                keep.append(at)
        for each in bad:
            refused[each["reason"]] = refused.get(each["reason"], 0) + 1
        refuse.write_table(pa.Table.from_pylist(bad, REFUSED))
        yield _patched(table.take(pa.array(keep, pa.int64())), newer, schema)


def _patched(
    table: pa.Table, newer: dict[int, tuple[Any, tuple[str, ...]]], schema: pa.Schema
) -> pa.Table:
    """Return the rows under the schema, with the states that have moved since they were made."""
    live: list[list[str]] = [[] for _ in range(table.num_rows)]
    columns: dict[str, Any] = {}
    for field in schema:
        if field.name == LIVE:
            continue
        column = table[field.name].cast(field.type)
        if newer and field.name not in {ROW, ENTITY, FACTS, SEEN}:
            values = column.to_pylist()
            for at, (state, _) in newer.items():
                values[at] = _fitting(state.get(field.name), field.type)
            column = pa.array(values, field.type)
        columns[field.name] = column
    for at, (_, events) in newer.items():
        live[at] = list(events)
    columns[LIVE] = pa.array(live, pa.list_(pa.string()))
    return pa.table({name: columns[name] for name in schema.names}, schema=schema)


def _fitting(value: Any, kind: pa.DataType) -> Any:
    return int(value) if value is not None and pa.types.is_integer(kind) else value


def _chunks(tables: Iterable[pa.Table], schema: pa.Schema, chunk_rows: int) -> Iterator[pa.Table]:
    waiting = schema.empty_table()
    for table in tables:
        waiting = pa.concat_tables([waiting, table])
        while waiting.num_rows >= chunk_rows:
            yield waiting.slice(0, chunk_rows).combine_chunks()
            waiting = waiting.slice(chunk_rows)
    if waiting.num_rows:
        yield waiting.combine_chunks()
