"""Columns of a file as numbers, text, days and coordinates of ours; what does not parse becomes null."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import timedelta
from functools import reduce

import polars as pl

from hki_ml.mapping import units
from hki_ml.mapping.format import Column

# What files write for "nothing"; a mapping adds its own in `missing`.
NOTHING = ("", "-", "--", "na", "n/a", "nan", "null", "none", "nil", "?")
ISO_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
)
_DECIMAL_COMMA = r"^[^\d.,]*(\d+|\d{1,3}(\.\d{3})+)(,\d+)?[^\d.,]*$"
_CURRENCY_AND_BLANKS = r"[\s$€£¥]|USD|SGD|EUR|GBP"


def text(frame: pl.DataFrame, column: str) -> pl.Series:
    """Return the column as trimmed text; blank is null, and whole numbers have no decimals."""
    values = frame[column]
    if values.dtype.is_float():
        values = values.fill_nan(None)
        if (values == values.floor()).all() and (values.abs() < 2**53).all():
            values = values.cast(pl.Int64)
    if values.dtype in (pl.List, pl.Struct, pl.Array, pl.Object):
        return pl.Series(
            column, [None if each is None else str(each) for each in values], pl.String
        )
    stripped = values.cast(pl.String, strict=False).str.strip_chars()
    return stripped.set(stripped == "", None)


def present(frame: pl.DataFrame, column: Column) -> pl.Series:
    """Return where the file says anything at all for this field."""
    if column.constant is not None:
        return pl.repeat(value=True, n=frame.height, dtype=pl.Boolean, eager=True)
    given = [_said(frame, name, column.missing) for name in column.sources if name != column.over]
    said = reduce(pl.Series.__or__, given)
    return said if column.over is None else said & _below(frame, column).is_not_null()


def _below(frame: pl.DataFrame, column: Column) -> pl.Series:
    """Return what a number is divided by; null where it is not above zero."""
    below = _one_number(frame, str(column.over), Column(column=column.over))
    return below.set(~(below > 0).fill_null(value=False), None)


def _said(frame: pl.DataFrame, name: str, missing: Sequence[str | float]) -> pl.Series:
    values = frame[name]
    if values.dtype.is_numeric():
        numbers = values.cast(pl.Float64)
        said = numbers.is_not_null() & numbers.is_not_nan()
        absent = [float(each) for each in missing if _is_number(each)]
        return said & ~numbers.is_in(absent) if absent else said
    lowered = text(frame, name)
    said = lowered.is_not_null() & ~lowered.str.to_lowercase().is_in(list(NOTHING)).fill_null(
        value=True
    )
    if missing:
        absent_text = [_plain(each) for each in missing]
        said &= ~lowered.is_in(absent_text).fill_null(value=True)
    return said


def _is_number(value: str | float) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _plain(value: str | float) -> str:
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)


def number(frame: pl.DataFrame, column: Column) -> pl.Series:
    """Return the field as float64 in our unit; null where nothing is said or it is no number."""
    if column.constant is not None:
        return pl.repeat(float(column.constant), frame.height, dtype=pl.Float64, eager=True)
    if column.sum:
        parts = [
            _one_number(frame, name, column).fill_null(0.0) * weight
            for name, weight in column.sum.items()
        ]
        total = reduce(pl.Series.__add__, parts)
    else:
        total = _one_number(frame, column.sources[0], column)
    kept = total.set(~present(frame, column), None)
    kept = kept if column.over is None else kept / _below(frame, column)
    if column.unit == units.YEARS_BEFORE_EVENT:
        return kept
    return kept * units.factor(column.unit)


def _one_number(frame: pl.DataFrame, name: str, column: Column) -> pl.Series:
    values = frame[name]
    if column.values:
        return _mapped_number(text(frame, name), column)
    if column.pattern:
        return pattern_mean(text(frame, name), column.pattern)
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return values.cast(pl.Float64).fill_nan(None)
    said = _said(frame, name, column.missing)
    return plain_number(text(frame, name)).set(~said, None)


def _mapped_number(values: pl.Series, column: Column) -> pl.Series:
    known = {key: float(value) for key, value in column.values.items()}
    mapped = values.replace_strict(known, default=None, return_dtype=pl.Float64)
    unknown = float(column.other) if column.other is not None else None
    rest = (
        plain_number(values)
        if unknown is None
        else pl.Series([unknown]).new_from_index(0, len(values))
    )
    return mapped.fill_null(rest.rename(mapped.name))


def plain_number(values: pl.Series) -> pl.Series:
    """Return text such as ``"$1,250,000"`` as a number; null where it is none.

    Examples
    --------
    >>> plain_number(pl.Series(["$1,250,000", " 12.5 ", "true", "many"])).to_list()
    [1250000.0, 12.5, 1.0, None]
    """
    direct = values.cast(pl.Float64, strict=False)
    if direct.null_count() == values.null_count():
        return direct
    bare = values.str.replace_all(_CURRENCY_AND_BLANKS, "").str.replace_all(r"(\d),(\d{3})", "$1$2")
    bare = bare.str.replace_all(r"(\d),(\d{3})", "$1$2").str.to_lowercase()
    bare = bare.replace({"true": "1", "false": "0", "yes": "1", "no": "0", "y": "1", "n": "0"})
    return bare.cast(pl.Float64, strict=False)


def with_decimal_points(frame: pl.DataFrame, columns: set[str]) -> pl.DataFrame:
    """Return the frame with texts such as ``"1.250,50"`` in these columns as ``"1250.50"``.

    What does not look like a number of that kind stays as it is.

    Examples
    --------
    >>> said = pl.DataFrame({"price": ["1.250,50", "450.000 EUR", "47,6", "1.5", "none"]})
    >>> with_decimal_points(said, {"price"})["price"].to_list()
    ['1250.50', '450000 EUR', '47.6', '1.5 is no number with a decimal comma', 'none']
    """
    for name in columns:
        said = pl.col(name)
        if frame.schema.get(name) != pl.String:
            continue
        plain = said.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        other = pl.when(said.str.contains(r"\d\.\d")).then(
            pl.format("{} is no number with a decimal comma", said)
        )
        frame = frame.with_columns(
            pl.when(said.str.contains(_DECIMAL_COMMA)).then(plain).otherwise(other.otherwise(said))
        )
    return frame


def pattern_mean(values: pl.Series, pattern: str) -> pl.Series:
    r"""Return the mean of the pattern's groups in each text, e.g. 5 for ``"04 TO 06"``.

    Examples
    --------
    >>> pattern_mean(pl.Series(["04 TO 06", "roof"]), r"(\d+) TO (\d+)").to_list()
    [5.0, None]
    """
    groups = re.compile(pattern).groups
    found = [
        values.str.extract(pattern, group).cast(pl.Float64, strict=False).rename(str(group))
        for group in range(1, groups + 1)
    ]
    return pl.DataFrame(found).mean_horizontal(ignore_nulls=True).rename(values.name)


def category(frame: pl.DataFrame, column: Column) -> pl.Series:
    """Return the field as text: several columns joined, known values replaced by the mapping's."""
    if column.constant is not None:
        return pl.repeat(str(column.constant), frame.height, dtype=pl.String, eager=True)
    parts = [
        text(frame, name).set(~_said(frame, name, column.missing), None) for name in column.sources
    ]
    joined = (
        pl.DataFrame([part.rename(str(i)) for i, part in enumerate(parts)])
        .select(pl.concat_str(pl.all(), separator=" ", ignore_nulls=True).replace("", None))
        .to_series()
    )
    if column.pattern:
        joined = joined.str.extract(column.pattern, 1)
    if not column.values:
        return joined
    known = {key: str(value) for key, value in column.values.items()}
    default = (
        joined
        if column.other is None
        else pl.when(joined.is_not_null()).then(pl.lit(str(column.other)))
    )
    return (
        joined.to_frame("text")
        .select(
            pl.col("text").replace_strict(
                known,
                default=pl.col("text") if column.other is None else default,
                return_dtype=pl.String,
            )
        )
        .to_series()
    )


def joined_id(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Return one id from several columns, e.g. borough-block-lot; null where none of them says anything."""
    parts = [text(frame, name).rename(str(i)) for i, name in enumerate(columns)]
    table = pl.DataFrame(parts)
    empty = table.select(pl.all_horizontal(pl.all().is_null())).to_series()
    joined = table.select(pl.concat_str(pl.all().fill_null(""), separator="-")).to_series()
    # An id has at most 200 signs: several columns that are longer together are named by their hash.
    long = (joined.str.len_chars() > 120) & (len(columns) > 1) & (joined.str.len_chars() < 2_000)
    if long.any():
        short = [
            hashlib.blake2b(each.encode(), digest_size=16).hexdigest()
            for each in joined.filter(long)
        ]
        joined = joined.scatter(long.arg_true(), short)
    return joined.set(empty, None)


def day(values: pl.Series, formats: Sequence[str], time_zone: str) -> pl.Series:
    """Return the calendar day in the zone as UTC midnight; formats are tried in order, ISO last."""
    return local_time(values, formats, time_zone).dt.truncate("1d").dt.replace_time_zone("UTC")


def moment(values: pl.Series, formats: Sequence[str], time_zone: str) -> pl.Series:
    """Return the moment in UTC that a local time in the zone is; a day alone is its midnight there."""
    local = local_time(values, formats, time_zone)
    # Where clocks are put forward, an hour does not exist; in some zones it is the one after midnight.
    moments = [
        (local + skipped)
        .dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
        for skipped in (timedelta(), timedelta(hours=1))
    ]
    return moments[0].fill_null(moments[1])


def local_time(values: pl.Series, formats: Sequence[str], time_zone: str) -> pl.Series:
    """Return the time on the clocks of the zone, without a zone."""
    if values.dtype == pl.Date:
        return values.cast(pl.Datetime("us"))
    if values.dtype == pl.Datetime:
        return _local(values, time_zone)
    return _parse(values, formats, time_zone)


def _local(values: pl.Series, time_zone: str) -> pl.Series:
    if values.dtype.time_zone is None:  # type: ignore[attr-defined]
        return values.cast(pl.Datetime("us"))
    return values.dt.convert_time_zone(time_zone).dt.replace_time_zone(None).cast(pl.Datetime("us"))


def _parse(values: pl.Series, formats: Sequence[str], time_zone: str) -> pl.Series:
    wanted = values.cast(pl.String, strict=False).str.strip_chars()
    wanted = wanted.set(wanted == "", None)
    parsed = pl.Series(values.name, [None], dtype=pl.Datetime("us")).new_from_index(0, len(values))
    for form in (*formats, *ISO_FORMATS):
        if parsed.null_count() == wanted.null_count():
            break
        rest = wanted.set(parsed.is_not_null(), None)
        parsed = parsed.fill_null(_in_form(rest, form, time_zone))
    return parsed


def _in_form(values: pl.Series, form: str, time_zone: str) -> pl.Series:
    if form in ("epoch_s", "epoch_ms"):
        unit = 1_000_000 if form == "epoch_s" else 1_000
        moments = (values.cast(pl.Int64, strict=False) * unit).cast(pl.Datetime("us", "UTC"))
        return _local(moments, time_zone)
    if not any(part in form for part in ("%d", "%e", "%j", "%F", "%D", "%s")):  # a month alone
        form, values = f"{form} %d", values + " 01"
    if "%z" in form or "%#z" in form:
        moments = values.str.to_datetime(form, strict=False, time_unit="us", time_zone="UTC")
        return _local(moments, time_zone)
    if not any(part in form for part in ("%H", "%I", "%T", "%R", "%s")):
        return values.str.to_date(form, strict=False).cast(pl.Datetime("us"))
    return values.str.to_datetime(form, strict=False, time_unit="us")
