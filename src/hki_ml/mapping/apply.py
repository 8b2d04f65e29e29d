"""A batch of a file under its mapping: rows of ours, rows refused with a reason, rows filtered out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import polars as pl

from hki_ml.errors import MappingError
from hki_ml.mapping import checks, parse, units
from hki_ml.mapping.format import Column, Dates, Filter, Mapping, Price
from hki_ml.mapping.hints import closest
from hki_ml.tables import FACT_CATEGORIES, FACT_NUMBERS

ROW_NUMBER = "row_number"
SALE_KEY = "sale_key"


class HasColumns(Protocol):
    """A mapping that names columns of a file."""

    def columns(self, *, required: bool = False) -> tuple[str, ...]:
        """Return the columns that it reads, or only those it cannot miss."""
        ...


@dataclass(frozen=True, slots=True)
class Mapped:
    """What became of a batch.

    ``accepted`` has ``row_number``, ``property_id``, ``sale_key`` (null where the file has no id of the
    sale), ``occurred_at`` (UTC; null where the mapping gives no date), ``price_usd``, every fact of ours
    and the mapping's ``extra_…`` columns. ``refused`` has ``row_number``, ``reason`` and ``detail``.
    """

    accepted: pl.DataFrame
    refused: pl.DataFrame
    read: int
    filtered: int


def check_columns(mapping: HasColumns, columns: tuple[str, ...]) -> None:
    """Hold the mapping against the columns of a file.

    Raises
    ------
    MappingError
        If columns are missing: which, what comes closest, and what the file has.
    """
    missing = [name for name in mapping.columns(required=True) if name not in columns]
    if missing:
        named = ", ".join(f"{name!r}{closest(name, columns)}" for name in missing)
        raise MappingError(
            f"the file has no column {named}; it has {', '.join(map(repr, columns))}"
        )


def apply_mapping(
    rows: pl.DataFrame, mapping: Mapping, *, as_of: datetime, first_row: int = 1
) -> Mapped:
    """Return what the mapping makes of these rows; each row ends in exactly one of the three.

    Parameters
    ----------
    rows
        The file's columns, typed or text, with at least ``mapping.columns(required=True)``.
    as_of
        The present, aware; what occurred later in the mapping's zone is refused.
    first_row
        The number of the first row in its file.
    """
    check_columns(mapping, tuple(rows.columns))
    numbered = rows.with_row_index(ROW_NUMBER, offset=first_row)
    if mapping.file.decimal == ",":
        numbered = parse.with_decimal_points(numbered, _number_columns(mapping))
    kept = _filter(numbered, mapping.filters)
    fields = _fields(kept, mapping)
    judged = checks.judge(fields, _checks(mapping, fields, as_of))
    accepted = judged.filter(pl.col("reason").is_null())
    shown = pl.selectors.starts_with("raw_", "said_") | pl.selectors.by_name("reason", "detail")
    return Mapped(
        accepted=accepted.drop(shown),
        refused=judged.filter(pl.col("reason").is_not_null()).select(
            ROW_NUMBER, "reason", "detail"
        ),
        read=rows.height,
        filtered=rows.height - kept.height,
    )


def _number_columns(mapping: Mapping) -> set[str]:
    numbers = {each.column for each in mapping.filters if (each.min, each.max) != (None, None)}
    numbers |= set() if mapping.price is None else {mapping.price.column}
    for name, column in mapping.fields().items():
        numbers |= set(column.sources) if mapping.is_number(name) else set()
    return numbers - {*mapping.id.property, *mapping.id.sale}


def _filter(rows: pl.DataFrame, conditions: tuple[Filter, ...]) -> pl.DataFrame:
    for condition in conditions:
        rows = rows.filter(passes(rows, condition))
    return rows


def passes(rows: pl.DataFrame, condition: Filter) -> pl.Series:
    """Return which rows pass a condition."""
    said = parse.text(rows, condition.column)
    passes = said.is_not_null()
    if condition.equals is not None:
        passes &= said.is_in([_as_text(condition.equals)])
    if condition.is_in:
        passes &= said.is_in([_as_text(value) for value in condition.is_in])
    if condition.not_in:
        passes = passes & ~said.is_in([_as_text(value) for value in condition.not_in])
    if condition.min is not None or condition.max is not None:
        values = parse.number(rows, Column(column=condition.column))
        low = float("-inf") if condition.min is None else condition.min
        high = float("inf") if condition.max is None else condition.max
        passes &= values.is_between(low, high)
    return passes.fill_null(value=False)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _fields(rows: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    fields = {
        ROW_NUMBER: rows[ROW_NUMBER].cast(pl.Int64),
        "property_id": _property_id(rows, mapping),
        SALE_KEY: _sale_key(rows, mapping),
        **_occurred(rows, mapping.date, mapping.time_zone),
        **_priced(rows, mapping.price),
        **_facts(rows, mapping),
    }
    frame = pl.DataFrame([series.rename(name) for name, series in fields.items()])
    ages = [
        name for name, column in mapping.fields().items() if column.unit == units.YEARS_BEFORE_EVENT
    ]
    year = pl.col("occurred_at").dt.year().cast(pl.Float64)
    return frame.with_columns((year - pl.col(name)).alias(name) for name in ages)


def _property_id(rows: pl.DataFrame, mapping: Mapping) -> pl.Series:
    ids = parse.joined_id(rows, mapping.id.property)
    pattern = mapping.id.property_pattern
    return ids if pattern is None else ids.str.extract(pattern, 1)


def _sale_key(rows: pl.DataFrame, mapping: Mapping) -> pl.Series:
    if not mapping.id.sale:
        return pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)
    return parse.joined_id(rows, mapping.id.sale)


def _occurred(rows: pl.DataFrame, date: Dates | None, time_zone: str) -> dict[str, pl.Series]:
    if date is None:
        never = pl.Series([None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, rows.height)
        return {"occurred_at": never}
    raw, formats = _raw_date(rows, date)
    occurred = parse.day(raw, formats, time_zone)
    if date.resolution == "month":
        occurred = occurred.dt.truncate("1mo")
    return {"raw_date": raw.cast(pl.String, strict=False), "occurred_at": occurred}


def _raw_date(rows: pl.DataFrame, date: Dates) -> tuple[pl.Series, tuple[str, ...]]:
    if date.constant:
        return pl.repeat(date.constant, rows.height, dtype=pl.String, eager=True), date.formats
    if date.column:
        raw = rows[date.column]
        if raw.dtype.is_temporal():
            return raw, ()
        return parse.text(rows, date.column), date.formats
    assert date.year  # noqa: S101 - the mapping was checked to have one of the three
    year = parse.text(rows, date.year)
    month = (
        parse.text(rows, date.month)
        if date.month
        else year.clear().extend_constant("1", rows.height)
    )
    return year + "-" + month, ("%Y-%m", "%Y-%b", "%Y-%B")


def _priced(rows: pl.DataFrame, price: Price | None) -> dict[str, pl.Series]:
    if price is None:
        return {}
    raw = rows[price.column]
    said = parse.text(rows, price.column)
    # NaN is told apart from nothing: the first is a broken price, the second a missing one.
    usd = raw.cast(pl.Float64) if raw.dtype.is_numeric() else parse.plain_number(said)
    raw_text = raw.cast(pl.String) if raw.dtype.is_numeric() else said
    return {"raw_price": raw_text, "price_usd": usd * price.factor}


def _facts(rows: pl.DataFrame, mapping: Mapping) -> dict[str, pl.Series]:
    mapped = mapping.fields()
    out: dict[str, pl.Series] = {}
    for field in (*FACT_CATEGORIES, *FACT_NUMBERS, *(f for f in mapped if f not in mapping.facts)):
        is_number = field in FACT_NUMBERS or (
            field not in FACT_CATEGORIES and mapping.is_number(field)
        )
        column = mapped.get(field)
        if column is None or (column.optional and not set(column.sources) <= set(rows.columns)):
            dtype = pl.Float64 if is_number else pl.String
            out[field] = pl.Series([None], dtype=dtype).new_from_index(0, rows.height)
        elif is_number:
            out[field] = parse.number(rows, column)
            out[f"said_{field}"] = parse.present(rows, column)
        else:
            out[field] = parse.category(rows, column)
    return out


def _checks(mapping: Mapping, frame: pl.DataFrame, as_of: datetime) -> list[checks.Check]:
    wanted = checks.identity()
    if mapping.date is not None:
        today = as_of.astimezone(ZoneInfo(mapping.time_zone)).replace(tzinfo=UTC)
        wanted += checks.date(today)
    if mapping.price is not None:
        wanted += checks.price()
    if {"latitude", "longitude"} <= set(mapping.facts):
        wanted += checks.coordinates()
    for field in mapping.fields():
        if not mapping.is_number(field):
            wanted += checks.label(field)
        elif f"said_{field}" in frame.columns:
            wanted += checks.number(field)
    return wanted
