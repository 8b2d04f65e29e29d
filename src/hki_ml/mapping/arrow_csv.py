"""Arrow's reader of CSV, which tells of rows it cannot split, and lets go of us before it ends."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

PATIENCE_SECONDS = 0.5


class _Skip:
    """Hands a row that does not split to a callback, and lets Arrow go on without it."""

    def __init__(self, on_row: Callable[[Any], None]) -> None:
        self._on_row = on_row

    def __call__(self, row: Any) -> str:
        self._on_row(row)
        return "skip"


def read_csv(
    path: Path,
    options: tuple[pyarrow.csv.ReadOptions, pyarrow.csv.ConvertOptions],
    *,
    separator: str,
    on_bad_row: Callable[[Any], None],
) -> Iterator[pa.RecordBatch]:
    """Yield the file's batches; the rows that do not split go to ``on_bad_row``.

    A thread of Arrow's holds the callback a moment longer than the reader lives. A Python that ends in
    that moment is aborted, so this waits until it was let go.
    """
    skip = _Skip(on_bad_row)
    held = weakref.ref(skip)
    parse = pyarrow.csv.ParseOptions(
        delimiter=separator, newlines_in_values=True, invalid_row_handler=skip
    )
    del skip
    reader = None
    try:
        reader = pyarrow.csv.open_csv(path, options[0], parse, options[1])
        yield from reader
    finally:
        if reader is not None:
            reader.close()
        del reader, parse
        _wait(held)


def _wait(held: weakref.ref[_Skip]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while held() is not None and time.monotonic() < deadline:
        time.sleep(0.001)
