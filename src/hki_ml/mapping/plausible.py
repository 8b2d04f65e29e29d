"""What only the whole file can tell: wrong units, swapped coordinates, prices far off their like."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

# A like is the same area and type; below this many the type alone is asked, then nobody is.
ENOUGH = 30
OFF_BY = 10.0
_BIN = 0.02  # width of a bin of the logarithm: the median is exact to 2 %

# Medians that no market of whole homes has (US counties and Singapore lie between 90 and 1,500 USD
# per sqft): outside, a unit is wrong far more likely than the market strange.
USD_PER_SQFT = (8.0, 6_000.0)
PRICE_USD = (8_000.0, 30_000_000.0)
LIVING_SQFT = (250.0, 15_000.0)


@dataclass
class Likes:
    """Running medians of USD per sqft by area and type; memory grows with groups, never with rows."""

    _counts: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"area": pl.String, "property_type": pl.String, "bin": pl.Int32, "n": pl.UInt32}
        )
    )
    _coordinates: tuple[float, float] | None = None

    def judge(self, accepted: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the plausible rows, and the others with ``row_number``, ``reason`` and ``detail``.

        The rows themselves count among their likes, so that the first batch is judged as well.
        """
        if "price_usd" not in accepted.columns or accepted.is_empty():
            return accepted, _nothing_refused()
        rows = accepted.with_columns(
            _log=(pl.col("price_usd") / pl.col("living_sqft")).log(),
        ).with_columns(_bin=(pl.col("_log") / _BIN).floor().cast(pl.Int32))
        self._learn(rows)
        judged = self._swapped(self._off(rows))
        kept = judged.filter(pl.col("reason").is_null()).select(accepted.columns)
        refused = judged.filter(pl.col("reason").is_not_null())
        return kept, refused.select("row_number", "reason", "detail")

    def _learn(self, rows: pl.DataFrame) -> None:
        keys = ["area", "property_type", "bin"]
        new = (
            rows.filter(pl.col("_bin").is_not_null())
            .group_by("area", "property_type", bin="_bin")
            .agg(n=pl.len().cast(pl.UInt32))
        )
        self._counts = (
            pl.concat([self._counts, new.select(self._counts.columns)])
            .group_by(keys)
            .agg(pl.col("n").sum())
        )
        if self._coordinates is None:
            lat, lon = rows["latitude"].median(), rows["longitude"].median()
            if isinstance(lat, float) and isinstance(lon, float):
                self._coordinates = (lat, lon)

    def _medians(self, keys: list[str], name: str) -> pl.DataFrame:
        by = self._counts.group_by(*keys, "bin").agg(pl.col("n").sum()).sort("bin")
        return (
            by.with_columns(
                below=pl.col("n").cum_sum().over(keys), total=pl.col("n").sum().over(keys)
            )
            .filter((pl.col("total") >= ENOUGH) & (pl.col("below") * 2 >= pl.col("total")))
            .group_by(keys)
            .agg(((pl.col("bin").min() + 0.5) * _BIN).alias(name))
        )

    def _off(self, rows: pl.DataFrame) -> pl.DataFrame:
        near, wide = ["area", "property_type"], ["property_type"]
        medians = rows.join(
            self._medians(near, "_near"), on=near, how="left", nulls_equal=True
        ).join(self._medians(wide, "_wide"), on=wide, how="left", nulls_equal=True)
        like = pl.coalesce("_near", "_wide")
        off = ((pl.col("_log") - like).abs() > pl.lit(OFF_BY).log()).fill_null(value=False)
        detail = pl.format(
            "expected about {} USD per sqft as its likes, got {}",
            like.exp().round(0),
            pl.col("_log").exp().round(2),
        )
        return medians.with_columns(
            reason=pl.when(off).then(pl.lit("price_implausible")), detail=pl.when(off).then(detail)
        )

    def _swapped(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self._coordinates is None:
            return rows
        lat, lon = self._coordinates
        here, there = pl.col("latitude"), pl.col("longitude")
        far = ((here - lat).abs() > 5) | ((there - lon).abs() > 5)
        swapped = (far & ((here - lon).abs() < 5) & ((there - lat).abs() < 5)).fill_null(
            value=False
        )
        detail = pl.format(
            "expected degrees near {}, {}, got {}, {}", round(lat, 2), round(lon, 2), here, there
        )
        return rows.with_columns(
            reason=pl.when(swapped).then(pl.lit("coordinates_swapped")).otherwise("reason"),
            detail=pl.when(swapped).then(detail).otherwise("detail"),
        )


def _nothing_refused() -> pl.DataFrame:
    return pl.DataFrame(schema={"row_number": pl.Int64, "reason": pl.String, "detail": pl.String})


def unit_warnings(rows: pl.DataFrame) -> list[str]:
    """Return a sentence for each unit of the mapping that the file's medians contradict.

    Parameters
    ----------
    rows
        A batch of accepted rows; fewer than thirty say nothing.
    """
    if rows.height < ENOUGH:
        return []
    found = []
    price = _median(rows.get_column("price_usd")) if "price_usd" in rows.columns else None
    living = _median(rows["living_sqft"])
    if price is not None and not PRICE_USD[0] <= price <= PRICE_USD[1]:
        found.append(
            f"the median price is {price:,.0f} USD, expected {PRICE_USD[0]:,.0f} to {PRICE_USD[1]:,.0f}: "
            "look at price.unit (e.g. 'thousands' or 0.001) and price.usd_per_unit in the mapping"
        )
    if living is not None and not LIVING_SQFT[0] <= living <= LIVING_SQFT[1]:
        found.append(
            f"the median living area is {living:,.0f} sqft, expected {LIVING_SQFT[0]:,.0f} to "
            f"{LIVING_SQFT[1]:,.0f}: look at facts.living_sqft.unit in the mapping (e.g. 'm2')"
        )
    if not found and price is not None and living is not None:
        found += _per_sqft_warning(rows)
    return found


def _per_sqft_warning(rows: pl.DataFrame) -> list[str]:
    per_sqft = _median(rows["price_usd"] / rows["living_sqft"])
    if per_sqft is None or USD_PER_SQFT[0] <= per_sqft <= USD_PER_SQFT[1]:
        return []
    low, high = USD_PER_SQFT
    found = f"the median is {per_sqft:,.1f} USD per sqft, expected {low:g} to {high:,.0f}"
    return [f"{found}: look at price.unit and facts.living_sqft.unit in the mapping"]


def _median(values: pl.Series) -> float | None:
    median = values.drop_nulls().median()
    return float(median) if isinstance(median, int | float) else None
