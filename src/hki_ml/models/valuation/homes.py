"""Homes as columns: the one shape in which facts travel through this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import BadInput
from hki_ml.tables import EXTRA_PREFIX, FACT_CATEGORIES, FACT_NUMBERS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ObjectArray = NDArray[np.object_]

_EPOCH = np.datetime64("1970-01-01", "D")


def day_numbers(times: pd.Series) -> IntArray:
    """Return whole days since 1970-01-01 (UTC) of a column of timestamps."""
    naive = times.dt.tz_convert("UTC").dt.tz_localize(None) if times.dt.tz is not None else times
    return naive.to_numpy("datetime64[D]").astype(np.int64)


def day_number(moment: pd.Timestamp) -> int:
    """Return whole days since 1970-01-01 (UTC) of one moment."""
    utc = moment.tz_convert("UTC").tz_localize(None) if moment.tzinfo is not None else moment
    return int((np.datetime64(utc, "D") - _EPOCH).astype(np.int64))


@dataclass(frozen=True, slots=True)
class Homes:
    """Facts of ``n`` homes, each to be seen as of a day; ids, prices and addresses are not here.

    Attributes
    ----------
    day
        The day as of which each home is seen (days since 1970-01-01), shape ``(n,)``.
    numbers
        Numeric facts by name; NaN is missing.
    categories
        Categorical facts by name; ``None`` is missing.
    """

    day: IntArray
    numbers: Mapping[str, FloatArray]
    categories: Mapping[str, ObjectArray]

    def __len__(self) -> int:
        return len(self.day)

    def number(self, name: str) -> FloatArray:
        """Return one numeric fact, all missing where nobody gave it."""
        found = self.numbers.get(name)
        return np.full(len(self), np.nan) if found is None else found

    def category(self, name: str) -> ObjectArray:
        """Return one categorical fact, all missing where nobody gave it."""
        found = self.categories.get(name)
        return np.full(len(self), None, dtype=object) if found is None else found

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Homes:
        """Return the homes at ``rows``."""
        return Homes(
            self.day[rows],
            {k: v[rows] for k, v in self.numbers.items()},
            {k: v[rows] for k, v in self.categories.items()},
        )

    def seen(self, day: IntArray) -> Homes:
        """Return the same homes as of other days."""
        return Homes(day, self.numbers, self.categories)

    @classmethod
    def of(cls, frame: pd.DataFrame, *, as_of: pd.Timestamp | pd.Series) -> Homes:
        """Read the fact columns of a canonical frame; every other column is left alone."""
        days = (
            day_numbers(as_of)
            if isinstance(as_of, pd.Series)
            else np.full(len(frame), day_number(as_of), dtype=np.int64)
        )
        numbers: dict[str, FloatArray] = {}
        categories: dict[str, ObjectArray] = {}
        for name in sorted(str(c) for c in frame.columns):
            if name in FACT_NUMBERS:
                numbers[name] = _numeric(frame[name])
            elif name in FACT_CATEGORIES:
                categories[name] = _levels(frame[name])
            elif name.startswith(EXTRA_PREFIX):
                if pd.api.types.is_numeric_dtype(frame[name]):
                    numbers[name] = _numeric(frame[name])
                else:
                    categories[name] = _levels(frame[name])
        return cls(days, numbers, categories)


def _numeric(column: pd.Series) -> FloatArray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _levels(column: pd.Series) -> ObjectArray:
    out = column.astype(object).to_numpy(copy=True)
    out[column.isna().to_numpy()] = None
    return np.array([None if v is None else str(v) for v in out], dtype=object)


def require_columns(frame: pd.DataFrame, names: tuple[str, ...]) -> None:
    """Raise `BadInput` naming the columns that a frame of sales should have and has not."""
    missing = [n for n in names if n not in frame.columns]
    if missing:
        got = ", ".join(map(str, frame.columns))
        raise BadInput(f"a frame of sales needs {', '.join(missing)}; it has {got}")
