"""What a job said, kept in the lake: a commit a chunk instead of an event an answer, each once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from hki_ml.batch.scorer import ENTITY, LIVE, ROW, SEEN
from hki_ml.identity import uuid_texts
from hki_ml.ports import Lake, Span
from hki_ml.tables import BATCH_PREDICTIONS, TIME

TABLE = "batch_predictions"
MOST_ROWS = 1 << 26


def prediction_ids(job_id: str, as_of: datetime, rows: Sequence[int]) -> list[str]:
    """Return the ids of a job's answers: UUIDs version 7 that rise with the row and cannot be guessed.

    They are made of the moment (48 bits), the row (26) and a digest of job and row (48): the same job
    gives a row the same id however often it is begun again, and a look-up reads one file of the lake.

    Examples
    --------
    >>> from datetime import UTC
    >>> ids = prediction_ids("job", datetime(2026, 7, 1, tzinfo=UTC), [1, 2])
    >>> ids[0] < ids[1], ids[0][:14]
    (True, '019f1af0-a800-7')
    """
    milliseconds = int(as_of.timestamp() * 1000)
    row = np.asarray(rows, np.uint64)
    digest = b"".join(
        hashlib.blake2b(f"{job_id}\x1f{number}".encode(), digest_size=6).digest() for number in rows
    )
    ids = np.zeros((len(row), 16), np.uint8)
    ids[:, :6] = np.frombuffer(milliseconds.to_bytes(6), np.uint8)
    high, low = row >> np.uint64(14), row & np.uint64(0x3FFF)
    ids[:, 6] = 0x70 | (high >> np.uint64(8)).astype(np.uint8)
    ids[:, 7] = (high & np.uint64(0xFF)).astype(np.uint8)
    ids[:, 8] = 0x80 | (low >> np.uint64(8)).astype(np.uint8)
    ids[:, 9] = (low & np.uint64(0xFF)).astype(np.uint8)
    ids[:, 10:] = np.frombuffer(digest, np.uint8).reshape(-1, 6)
    return uuid_texts(ids.tobytes())


def record(
    lake: Lake, job_id: str, plan: Mapping[str, Any], *, chunk: int, asked: pa.Table, said: pa.Table
) -> None:
    """Append a chunk's answers with what they were made from, unless it is there already.

    Parameters
    ----------
    asked
        The rows that got an answer, with their states.
    said
        Their answers, with ``prediction_id``.
    """
    application = f"batch:{job_id}"
    if (lake.offset(TABLE, application) or 0) > chunk:
        return
    rows = pa.table(
        {
            "prediction_id": said["prediction_id"],
            "job_id": _same(job_id, said),
            ROW: said[ROW],
            ENTITY: asked[ENTITY],
            "model": _same(plan["model"], said),
            "versions_json": _same(json.dumps(plan["versions"]), said),
            "as_of": pa.array([datetime.fromisoformat(plan["as_of"])] * said.num_rows, TIME),
            "answer_json": as_json(said, without=("prediction_id", ROW)),
            "features_json": as_json(asked, without=(ROW, ENTITY, SEEN, LIVE)),
            "seen_at": asked[SEEN],
            "live_events": asked[LIVE],
        },
        schema=BATCH_PREDICTIONS,
    )
    lake.append(TABLE, rows, spans={application: Span(chunk, chunk + 1)})


def as_json(table: pa.Table, *, without: Sequence[str] = ()) -> pa.Array:
    """Return each row as a JSON object."""
    frame = pl.from_arrow(table.drop_columns(list(without)))
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table never becomes a Series
    return (
        frame.select(pl.struct(pl.all()).struct.json_encode())
        .to_series()
        .to_arrow()
        .cast(pa.string())
    )


def find(lake: Lake, prediction_id: str) -> dict[str, Any] | None:
    """Return an answer of a job as it was recorded, ``None`` if there is none of that id."""
    rows = lake.read(TABLE, where=("prediction_id", prediction_id)).to_pylist()
    return rows[0] if rows else None


def _same(value: str, like: pa.Table) -> pa.Array:
    return pa.array([value] * like.num_rows, pa.string())
