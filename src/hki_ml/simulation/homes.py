"""The homes that leads are about: real ones with their sales, and what each was worth on a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

COLUMNS: tuple[str, ...] = ("property_id", "area", "sold_at", "price_usd", "living_sqft")
QUARTER_DAYS = 91
AREA_SHRINKAGE = 40.0  # sales of an area and quarter at which its own move counts half


@dataclass(frozen=True, slots=True)
class Homes:
    """Homes in the order of their first sale, so that later sales change nothing of earlier days.

    Attributes
    ----------
    ids, areas
        Of each home, shape ``(n,)``; an area may be ``None``.
    living_sqft
        NaN where it is not known.
    first_day
        Whole days since 1970 of each home's first sale, increasing.
    """

    ids: NDArray[np.object_]
    areas: NDArray[np.object_]
    living_sqft: FloatArray
    first_day: IntArray
    _sale_key: IntArray
    _sale_worth: FloatArray
    _index: FloatArray
    _index_start: int

    @classmethod
    def of(cls, sales: pl.DataFrame) -> Homes:
        """Return the homes of a frame of sales with ``COLUMNS``, in any order; it may be empty."""
        day = pl.col("sold_at").dt.epoch("d").cast(pl.Int64)
        rows = sales.select(*COLUMNS, day=day).filter(pl.col("price_usd") > 0)
        rows = rows.sort("day", "property_id", "price_usd")
        homes = rows.group_by("property_id", maintain_order=True).first()
        number = homes.select("property_id").with_row_index("home")
        rows = rows.join(number, on="property_id", maintain_order="left").sort("home", "day")
        areas = homes["area"].to_numpy(allow_copy=True).astype(object)
        index, start = _index(rows)
        sold, area = rows["day"].to_numpy(), _area_codes(rows["area"])
        moved = _at(index, start, area, sold)
        return cls(
            ids=homes["property_id"].to_numpy().astype(object),
            areas=areas,
            living_sqft=homes["living_sqft"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
            first_day=homes["day"].to_numpy().astype(np.int64),
            _sale_key=rows["home"].to_numpy().astype(np.int64) * 100_000 + sold,
            _sale_worth=np.log(rows["price_usd"].cast(pl.Float64).to_numpy()) - moved,
            _index=index,
            _index_start=start,
        )

    def sold_before(self, day: IntArray) -> IntArray:
        """Return how many homes had been sold before each day: those that can be chosen then."""
        return np.searchsorted(self.first_day, day, side="left").astype(np.int64)

    def worth(self, home: IntArray, day: IntArray) -> FloatArray:
        """Return what each home was worth on a day: its last price before, moved with its area's index."""
        last = np.searchsorted(self._sale_key, home * 100_000 + day, side="left") - 1
        codes = _area_codes(pl.Series(self.areas, dtype=pl.String), like=self.areas)[home]
        worth: FloatArray = np.exp(
            self._sale_worth[last] + _at(self._index, self._index_start, codes, day)
        )
        return worth


def _area_codes(areas: pl.Series, like: NDArray[np.object_] | None = None) -> IntArray:
    names = sorted({name for name in (areas if like is None else like) if name is not None})
    places = {name: place for place, name in enumerate(names)}
    return np.array([places.get(name, len(names)) for name in areas], np.int64)


def _index(rows: pl.DataFrame) -> tuple[FloatArray, int]:
    """Return log prices a square foot by area and quarter, moved by sales of earlier quarters only."""
    if not rows.height:
        return np.zeros((1, 1)), 0
    code = _area_codes(rows["area"])
    quarter = rows["day"].to_numpy() // QUARTER_DAYS
    start, ends = int(quarter.min()), int(quarter.max()) + 2
    level = np.log(rows["price_usd"].cast(pl.Float64) / rows["living_sqft"].fill_null(1_500.0))
    table = pl.DataFrame({"code": code, "quarter": quarter, "level": level}).group_by(
        "code", "quarter"
    )
    medians = table.agg(pl.col("level").median(), n=pl.len())
    city = (
        pl.DataFrame({"quarter": quarter, "level": level})
        .group_by("quarter")
        .agg(pl.col("level").median())
    )
    whole = np.full(ends - start, np.nan)
    whole[city["quarter"].to_numpy() - start + 1] = city["level"].to_numpy()
    whole = _carried(whole)
    areas = int(code.max()) + 1
    own = np.zeros((areas + 1, ends - start))
    weight = np.zeros_like(own)
    at = (medians["code"].to_numpy(), medians["quarter"].to_numpy() - start + 1)
    own[at] = medians["level"].to_numpy() - whole[at[1]]
    weight[at] = medians["n"].to_numpy()
    gap = np.cumsum(own * weight, axis=1) / (np.cumsum(weight, axis=1) + AREA_SHRINKAGE)
    return whole + gap, start


def _carried(values: FloatArray) -> FloatArray:
    """Return the values with gaps filled by the last one before, and the first one at the start."""
    known = np.flatnonzero(~np.isnan(values))
    last = np.maximum(np.searchsorted(known, np.arange(len(values)), side="right") - 1, 0)
    return values[known[last]]


def _at(index: FloatArray, start: int, area: IntArray, day: IntArray) -> FloatArray:
    quarter = np.clip(day // QUARTER_DAYS - start, 0, index.shape[1] - 1)
    found: FloatArray = index[np.minimum(area, index.shape[0] - 1), quarter]
    return found
