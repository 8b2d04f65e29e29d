"""Categories as stable 64-bit keys, and ledgers: what was known of a key strictly before a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NO_KEY = 0
"""The key of a missing category: it equals no other, and no ledger knows it."""


@lru_cache(maxsize=1 << 16)
def key_of(level: str) -> int:
    """Return the 64-bit key of one category level, the same on every machine and in every process.

    >>> key_of("98103") == key_of("98103") != key_of("98115")
    True
    """
    return int.from_bytes(blake2b(level.encode(), digest_size=8).digest(), "little", signed=True)


def keys(levels: Sequence[str | None] | NDArray[np.object_]) -> IntArray:
    """Return the key of each level, `NO_KEY` where it is missing."""
    return np.array([NO_KEY if v is None else key_of(v) for v in levels], dtype=np.int64)


@compiled
def _mix(table: FloatArray) -> IntArray:
    """Hash each row of float bits with FNV-1a folded over 64-bit words."""
    bits = table.view(np.uint64)
    out = np.empty(table.shape[0], np.int64)
    for i in range(table.shape[0]):
        h = np.uint64(0xCBF29CE484222325)
        for j in range(table.shape[1]):
            h = (h ^ bits[i, j]) * np.uint64(0x100000001B3)
            h ^= h >> np.uint64(29)
        out[i] = np.int64(h)
    return out


def row_keys(columns: Sequence[FloatArray]) -> IntArray:
    """Return one key a row: equal facts, equal keys; missing values equal each other.

    Values are rounded to five decimals, about a metre in degrees.
    """
    table = np.column_stack([np.nan_to_num(np.round(c, 5), nan=-9e15) + 0.0 for c in columns])
    return _mix(np.ascontiguousarray(table, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Ledger:
    """Past values of each key in order of time, to be read as of any day.

    Attributes
    ----------
    known
        Sorted distinct keys, shape ``(k,)``.
    start
        Where each key's rows begin in ``day`` and ``value``, shape ``(k + 1,)``.
    day, value
        Day number and value, ordered by key and then by day.
    """

    known: IntArray
    start: IntArray
    day: IntArray
    value: FloatArray

    @classmethod
    def of(cls, key: IntArray, day: IntArray, value: FloatArray) -> Ledger:
        """Order the rows once: ``n log n``."""
        rows = np.flatnonzero(key != NO_KEY)
        order = rows[np.lexsort((rows, day[rows], key[rows]))]
        known, start = np.unique(key[order], return_index=True)
        return cls(known, np.append(start, len(order)).astype(np.int64), day[order], value[order])

    def read(
        self, key: IntArray, day: IntArray, *, half_life_days: float, shrink: float
    ) -> FloatArray:
        """Return what was known strictly before ``day``, shape ``(n, 4)``.

        Columns: decayed mean shrunk to 0 by ``shrink`` sales, log(1 + decayed count), last value
        (NaN if none) and months since it (NaN if none).
        """
        return _read(self.known, self.start, self.day, self.value, key, day, half_life_days, shrink)


@compiled
def _read(  # noqa: PLR0913, PLR0917 - flat arrays are what numba compiles best
    known: IntArray,
    start: IntArray,
    day: IntArray,
    value: FloatArray,
    key: IntArray,
    at: IntArray,
    half_life: float,
    shrink: float,
) -> FloatArray:
    out = np.zeros((len(key), 4))
    for i in range(len(key)):
        out[i, 2] = np.nan
        out[i, 3] = np.nan
        c = np.searchsorted(known, key[i])
        if key[i] == 0 or c >= len(known) or known[c] != key[i]:
            continue
        stop = start[c] + np.searchsorted(day[start[c] : start[c + 1]], at[i])
        # The latest 400 say it: older ones would make a long-lived key cost more with every sale.
        first = max(start[c], stop - 400)
        total = 0.0
        weight = 0.0
        for j in range(stop - 1, first - 1, -1):
            w = 0.5 ** ((at[i] - day[j]) / half_life)
            total += w * value[j]
            weight += w
        if weight + shrink > 0:
            out[i, 0] = total / (weight + shrink)
        out[i, 1] = np.log1p(weight)
        if stop > start[c]:
            out[i, 2] = value[stop - 1]
            out[i, 3] = (at[i] - day[stop - 1]) / 30.4375
    return out
