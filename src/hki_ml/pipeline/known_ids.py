"""The ids that a table already holds: 16 bytes each, sorted, so that ten million take 160 MB."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from hki_ml.ports import Lake

# NOTE: numpy compares S16 as if padded with zeros, so ids that end in zero bytes stay apart.
_ID = np.dtype("S16")


class KnownIds:
    """A growing set of 16-byte ids, kept as a few sorted runs of doubling size."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def add(self, ids: np.ndarray) -> None:
        """Add ids, of which none is known and none stands twice."""
        if not len(ids):
            return
        run = np.sort(ids)
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        self._runs.append(run)

    def new(self, ids: np.ndarray) -> np.ndarray:
        """Return where an id stands that is neither known nor stands earlier in ``ids``."""
        _, first = np.unique(ids, return_index=True)
        is_new = np.zeros(len(ids), dtype=bool)
        is_new[first] = True
        for run in self._runs:
            at = np.minimum(np.searchsorted(run, ids), len(run) - 1)
            is_new &= run[at] != ids
        return is_new


def packed(raw: bytes) -> np.ndarray:
    """Return ids that stand one after the other, 16 bytes each."""
    return np.frombuffer(raw, _ID)


def from_texts(texts: Iterable[str]) -> np.ndarray:
    """Return ids of 32 hexadecimal digits, with or without hyphens."""
    return packed(bytes.fromhex("".join(texts).replace("-", "")))


def stored_ids(lake: Lake, table: str, column: str, *, until: int) -> KnownIds:
    """Return the ids that the table holds at that version."""
    known = KnownIds()
    add_stored(known, lake.batches(table, columns=[column], until=until) if until >= 0 else ())
    return known


def add_stored(known: KnownIds, batches: Iterable[pa.RecordBatch]) -> None:
    """Add the ids of the batches' only column."""
    for batch in batches:
        ids = from_texts(batch.column(0).to_pylist())
        known.add(ids[known.new(ids)])
