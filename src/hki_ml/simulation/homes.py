"""The homes that leads are about: real ones with their sales, and what each was worth on a day."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

COLUMNS: tuple[str, ...] = ("property_id", "area", "sold_at", "price_usd", "living_sqft")
QUARTER_DAYS = 91
AREA_SHRINKAGE = 40.0  # sales of an area and quarter at which its own move counts half


@dataclass(frozen=True, slots=True)
class Homes:
    """Homes on a ring, in the order of a hash of their ids: another home changes few leads' choice.

    Attributes
    ----------
    ids, areas
        Of each home, shape ``(n,)``; an area may be ``None``.
    living_sqft
        NaN where it is not known.
    ring
        Each home's place on the ring, in [0, 1), increasing.
    first_day
        Whole days since 1970 of each home's first sale.
    """

    ids: NDArray[np.object_]
    areas: NDArray[np.object_]
    living_sqft: FloatArray
    ring: FloatArray
    first_day: IntArray
    _area: IntArray
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
        homes = homes.with_columns(ring=_ring(homes["property_id"])).sort("ring", "property_id")
        number = homes.select("property_id").with_row_index("home")
        rows = rows.join(number, on="property_id", maintain_order="left").sort("home", "day")
        places = {area: place for place, area in enumerate(rows["area"].unique().sort())}
        sold, area = rows["day"].to_numpy(), _coded(rows["area"], places)
        index, start = _index(rows, area)
        return cls(
            ids=homes["property_id"].to_numpy().astype(object),
            areas=homes["area"].to_numpy(allow_copy=True).astype(object),
            living_sqft=homes["living_sqft"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
            ring=homes["ring"].to_numpy(),
            first_day=homes["day"].to_numpy().astype(np.int64),
            _area=_coded(homes["area"], places),
            _sale_key=rows["home"].to_numpy().astype(np.int64) * 100_000 + sold,
            _sale_worth=np.log(rows["price_usd"].cast(pl.Float64).to_numpy())
            - _at(index, start, area, sold),
            _index=index,
            _index_start=start,
        )

    def chosen(self, draw: FloatArray, day: IntArray) -> IntArray:
        """Return for each draw the next home on the ring that was sold before the day, -1 for none."""
        return _next_sold(self.ring, self.first_day, draw, day)

    def worth(self, home: IntArray, day: IntArray) -> FloatArray:
        """Return what each home was worth on a day: its last price before, moved with its area's index."""
        last = np.searchsorted(self._sale_key, home * 100_000 + day, side="left") - 1
        worth: FloatArray = np.exp(
            self._sale_worth[last] + _at(self._index, self._index_start, self._area[home], day)
        )
        return worth


def _ring(ids: pl.Series) -> pl.Series:
    digests = b"".join(hashlib.blake2b(each.encode(), digest_size=8).digest() for each in ids)
    return pl.Series(np.frombuffer(digests, ">u8").astype(np.float64) / 2**64)


@compiled
def _next_sold(ring: FloatArray, first_day: IntArray, draw: FloatArray, day: IntArray) -> IntArray:
    out = np.full(len(draw), -1)
    n = len(ring)
    for i in range(len(draw)):
        start = np.searchsorted(ring, draw[i])
        for step in range(n):
            home = (start + step) % n
            if first_day[home] < day[i]:
                out[i] = home
                break
    return out


def _coded(areas: pl.Series, places: dict[str | None, int]) -> IntArray:
    return np.array([places[area] for area in areas], np.int64)


def _index(rows: pl.DataFrame, code: IntArray) -> tuple[FloatArray, int]:
    """Return log prices a square foot by area and quarter, moved by sales of earlier quarters only."""
    if not rows.height:
        return np.zeros((1, 1)), 0
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
    own = np.zeros((int(code.max()) + 1, ends - start))
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
    found: FloatArray = index[area, quarter]
    return found
