"""The checks of a mapped row: each has a stable reason code and says what was expected and what came."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import polars as pl

# The ranges are those of the events (`events.py`), tested to be the same.
RANGES: dict[str, tuple[float, float]] = {
    "living_sqft": (50, 2_000_000),
    "lot_sqft": (0, 500_000_000),
    "bedrooms": (0, 10_000),
    "bathrooms": (0, 10_000),
    "stories": (0, 10_000),
    "units": (0, 10_000),
    "year_built": (1600, 2200),
    "year_renovated": (1600, 2200),
    "quality_grade": (-100, 1_000),
    "condition_grade": (-100, 1_000),
    "view_grade": (-100, 1_000),
    "is_waterfront": (0, 1),
}
PRICE_MAX = 10_000_000_000.0
TEXT_MAX = 200
FIRST_YEAR = 1800
SOUTHERNMOST = -60.0  # nobody sells homes in Antarctica: New York with swapped columns lies there

HELD = "file_unlike_before"
"""The reason of every row of a file that is held as a whole."""

REASONS: dict[str, str] = {
    HELD: "the file as a whole is unlike what its source sent before; it says in what",
    "row_malformed": "the line does not split into the file's columns",
    "lead_id_missing": "no column of id.lead says anything",
    "end_undated": "the lead ended, but the file does not say when",
    "ended_before_created": "the lead ended before it came",
    "end_in_future": "the lead's end lies after now",
    "protected_fact": "a fact says an attribute that no model may learn from",
    "property_id_missing": "no column of id.property says anything",
    "date_missing": "the date is empty",
    "date_unparsable": "the date fits none of date.formats nor ISO 8601",
    "date_out_of_range": f"the date lies before {FIRST_YEAR}",
    "date_in_future": "the date lies after today in the mapping's zone",
    "price_missing": "the price is empty",
    "price_unparsable": "the price is no number",
    "price_not_finite": "the price is NaN or infinite",
    "price_not_positive": "the price is zero or negative",
    "price_out_of_range": f"the price is above {PRICE_MAX:,.0f} USD",
    "price_implausible": "USD per sqft is more than ten times off the file's median for its area and type",
    "number_unparsable": "a numeric fact holds text",
    "value_out_of_range": "a fact lies outside its range",
    "text_too_long": f"a category or an id has more than {TEXT_MAX} signs",
    "coordinates_at_zero": "latitude and longitude are 0, 0",
    "coordinates_swapped": "latitude and longitude stand in each other's column",
    "coordinates_out_of_range": "latitude is beyond 90 or longitude beyond 180 degrees",
}
"""Every reason of the importer and what it means; shown by ``hki import`` and in the documentation."""


class Check(NamedTuple):
    """A reason, where it applies and what it says of the row."""

    reason: str
    applies: pl.Expr
    detail: pl.Expr


def _said(what: str, column: str) -> pl.Expr:
    shown = pl.col(column).cast(pl.String).fill_null("nothing").str.slice(0, 80)
    return pl.format(f"{what}, got {{}}", shown)


def identity(column: str = "property_id") -> list[Check]:
    """Return the checks of an id."""
    return [
        Check(
            f"{column}_missing",
            pl.col(column).is_null(),
            pl.lit("expected an id of the home, got none"),
        ),
        _short_enough(column),
    ]


def _short_enough(column: str) -> Check:
    length = pl.col(column).str.len_chars()
    return Check(
        "text_too_long",
        length > TEXT_MAX,
        pl.format(f"{column}: expected at most {TEXT_MAX} signs, got {{}}", length),
    )


def date(as_of: datetime) -> list[Check]:
    """Return the checks of a date column ``occurred_at`` with its raw text in ``raw_date``."""
    moment = pl.col("occurred_at")
    return [
        Check("date_missing", pl.col("raw_date").is_null(), pl.lit("expected a date, got nothing")),
        Check(
            "date_unparsable",
            moment.is_null(),
            _said("expected a date in a known format", "raw_date"),
        ),
        Check(
            "date_out_of_range",
            moment.dt.year() < FIRST_YEAR,
            _said(f"expected a date after {FIRST_YEAR}", "raw_date"),
        ),
        Check(
            "date_in_future",
            moment > pl.lit(as_of),
            _said(f"expected a date up to {as_of:%Y-%m-%d}", "raw_date"),
        ),
    ]


def price() -> list[Check]:
    """Return the checks of ``price_usd`` with its raw text in ``raw_price``."""
    usd = pl.col("price_usd")
    return [
        Check(
            "price_missing", pl.col("raw_price").is_null(), pl.lit("expected a price, got nothing")
        ),
        Check("price_unparsable", usd.is_null(), _said("expected a number", "raw_price")),
        Check("price_not_finite", ~usd.is_finite(), _said("expected a finite price", "raw_price")),
        Check("price_not_positive", usd <= 0, _said("expected a price above 0", "raw_price")),
        Check(
            "price_out_of_range",
            usd > PRICE_MAX,
            _said(f"expected at most {PRICE_MAX:.0f} USD", "raw_price"),
        ),
    ]


def coordinates() -> list[Check]:
    """Return the checks of ``latitude`` and ``longitude`` that need nothing but the row."""
    lat, lon = pl.col("latitude"), pl.col("longitude")
    said = pl.format("expected degrees north and east, got {}, {}", lat, lon)
    swapped = ((lat.abs() > 90) & (lat.abs() <= 180) & (lon.abs() <= 90)) | (lat < SOUTHERNMOST)
    return [
        Check("coordinates_at_zero", (lat == 0) & (lon == 0), said),
        Check("coordinates_swapped", swapped, said),
        Check("coordinates_out_of_range", ~(lat.abs() <= 90) | ~(lon.abs() <= 180), said),
    ]


def number(field: str) -> list[Check]:
    """Return the checks of a numeric fact with ``said_<field>`` telling whether the file says anything."""
    value = pl.col(field)
    low, high = RANGES.get(field, (float("-inf"), float("inf")))
    checks = [
        Check(
            "number_unparsable",
            pl.col(f"said_{field}") & value.is_null(),
            pl.lit(f"{field}: expected a number, got text"),
        )
    ]
    if field not in ("latitude", "longitude"):
        outside = ~value.is_between(low, high) | ~value.is_finite()
        checks.append(
            Check(
                "value_out_of_range",
                outside,
                pl.format(f"{field}: expected {low:g} to {high:g}, got {{}}", value),
            )
        )
    return checks


def label(field: str) -> list[Check]:
    """Return the checks of a category."""
    return [_short_enough(field)]


def judge(frame: pl.DataFrame, checks: list[Check]) -> pl.DataFrame:
    """Return the frame with ``reason`` and ``detail`` of the first check that applies, else null."""
    flags = frame.select(
        check.applies.fill_null(value=False).alias(str(i)) for i, check in enumerate(checks)
    )
    hit = [check for check, flag in zip(checks, flags, strict=True) if flag.any()]
    if not hit:
        empty = pl.lit(None, pl.String)
        return frame.with_columns(reason=empty, detail=empty)
    chain = [(check, check.applies.fill_null(value=False)) for check in hit]
    return frame.with_columns(
        reason=pl.coalesce(pl.when(applies).then(pl.lit(check.reason)) for check, applies in chain),
        detail=pl.coalesce(pl.when(applies).then(check.detail) for check, applies in chain),
    )
