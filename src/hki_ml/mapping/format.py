"""The mapping file: which column is which field, in which unit; documented in ``docs/mapping.md``."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from hki_ml.errors import MappingError
from hki_ml.mapping import units
from hki_ml.mapping.hints import closest
from hki_ml.tables import EXTRA_PREFIX, FACT_CATEGORIES, FACT_NUMBERS, FACTS

Kind = Literal["sale.recorded", "property.recorded", "listing.published"]
EXTRA_NAME = re.compile(r"[a-z][a-z0-9_]{0,55}")


class Closed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How every table of the mapping reads: closed, immutable."""


class Column(Closed, frozen=True):
    """Where one field comes from: one column, several joined or a weighted sum, ``over`` another."""

    column: str | None = None
    columns: tuple[str, ...] = ()
    sum: dict[str, float] = {}
    over: str | None = None
    constant: str | float | bool | None = None
    kind: Literal["number", "category"] | None = None
    unit: str | float | None = None
    values: dict[str, str | float] = {}
    other: str | float | None = None
    missing: tuple[str | float, ...] = ()
    pattern: str | None = None
    optional: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the file that it reads."""
        return tuple(n for n in (self.column, *self.columns, *self.sum, self.over) if n)


class Layout(Closed, frozen=True):
    """How the file is laid out; everything is found out by itself where it is not given."""

    sheet: str | None = None
    header_row: Annotated[int, msgspec.Meta(ge=1)] = 1
    separator: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] | None = None
    encoding: str = "utf8"
    decimal: Literal[".", ","] = "."


class Ids(Closed, frozen=True):
    """Which columns tell one home, and one sale, from another."""

    property: tuple[str, ...]
    sale: tuple[str, ...] = ()
    property_pattern: str | None = None


class Dates(Closed, frozen=True):
    """When it happened: a column and its formats, or a year and a month, or one constant date."""

    column: str | None = None
    formats: tuple[str, ...] = ()
    year: str | None = None
    month: str | None = None
    constant: str | None = None
    resolution: Literal["day", "month"] = "day"


class Price(Closed, frozen=True):
    """What it cost: the column, its unit and the rate of its currency to USD."""

    column: str
    unit: str | float | None = None
    currency: str = "USD"
    usd_per_unit: float | None = None

    @property
    def factor(self) -> float:
        """What a number of the column is multiplied by to be USD."""
        return units.factor(self.unit) * (1.0 if self.usd_per_unit is None else self.usd_per_unit)


class Filter(Closed, frozen=True, rename={"is_in": "in"}):
    """A row is kept if the column's value passes every condition that is given."""

    column: str
    equals: str | float | bool | None = None
    is_in: tuple[str | float, ...] = ()
    not_in: tuple[str | float, ...] = ()
    min: float | None = None
    max: float | None = None
    not_null: bool = False


class Mapping(Closed, frozen=True, kw_only=True):
    """One mapping, checked in itself; it meets its file in ``apply_mapping``."""

    source: str
    event: Kind = "sale.recorded"
    time_zone: str = "UTC"
    description: str = ""
    file: Layout = Layout()
    id: Ids
    date: Dates | None = None
    price: Price | None = None
    facts: dict[str, Column] = {}
    extra: dict[str, Column] = {}
    filters: tuple[Filter, ...] = ()

    def fields(self) -> dict[str, Column]:
        """Return all facts of ours, the extra ones with their prefix, and where each comes from."""
        return self.facts | {EXTRA_PREFIX + name: column for name, column in self.extra.items()}

    def is_number(self, field: str) -> bool:
        """Return whether the field holds a number rather than a category."""
        if field in FACTS:
            return field in FACT_NUMBERS
        return self.extra[field.removeprefix(EXTRA_PREFIX)].kind != "category"

    def columns(self, *, required: bool = False) -> tuple[str, ...]:
        """Return the file's columns that the mapping reads, each once; or only those it cannot miss."""
        date, price = self.date, self.price
        names = [*self.id.property, *self.id.sale]
        names += [name for name in (date.column, date.year, date.month) if name] if date else []
        names += [price.column] if price else []
        names += [condition.column for condition in self.filters]
        for column in self.fields().values():
            names += [] if required and column.optional else column.sources
        return tuple(dict.fromkeys(names))


def read_text(path: Path) -> str:
    """Return the text of a mapping file.

    Raises
    ------
    MappingError
        If the file is missing or no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(
            f"{path}: expected a readable mapping file in TOML, got: {error}"
        ) from error


def parse_mapping(text: str) -> Mapping:
    """Return the mapping that this TOML says.

    Raises
    ------
    MappingError
        With the key, what was expected there and the closest known name.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"expected TOML, got a syntax error: {error}") from error
    for table in ("facts", "extra"):
        if isinstance(raw.get(table), dict):
            raw[table] = {name: _long_form(value) for name, value in raw[table].items()}
    try:
        mapping = msgspec.convert(raw, Mapping)
    except msgspec.ValidationError as error:
        raise MappingError(_explain(str(error))) from error
    _check(mapping)
    return mapping


def _long_form(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


_TABLES: dict[str, type[msgspec.Struct]] = {
    "file": Layout,
    "id": Ids,
    "date": Dates,
    "price": Price,
    "facts": Column,
    "extra": Column,
    "filters": Filter,
}


def _explain(message: str) -> str:
    unknown = re.search(r"unknown field `([^`]*)`", message)
    if not unknown:
        return message
    where = re.search(r"at `\$\.?(\w*)", message)
    table = where.group(1) if where else ""
    known = [field.encode_name for field in msgspec.structs.fields(_TABLES.get(table, Mapping))]
    place = f"in [{table}]" if table else "at the top"
    return (
        f"unknown key {unknown.group(1)!r} {place}{closest(unknown.group(1), known)}; "
        f"known are {', '.join(known)}"
    )


def _check(mapping: Mapping) -> None:
    for name, column in mapping.facts.items():
        if name not in FACTS:
            raise MappingError(
                f"unknown field {name!r} in [facts]{closest(name, FACTS)}; known are "
                f"{', '.join(FACTS)}; any other column goes into [extra]"
            )
        kind = "category" if name in FACT_CATEGORIES else "number"
        if column.kind not in (None, kind):
            raise MappingError(f"facts.{name} is a {kind}, got kind = {column.kind!r}")
        check_column(f"facts.{name}", column)
    for name, column in mapping.extra.items():
        if not EXTRA_NAME.fullmatch(name):
            raise MappingError(f"expected snake_case of at most 56 signs in [extra], got {name!r}")
        check_column(f"extra.{name}", column)
    _check_when(mapping)
    _check_price(mapping)
    if not mapping.id.property:
        raise MappingError("expected at least one column in id.property, got none")
    _check_pattern("id.property_pattern", mapping.id.property_pattern)


def check_column(key: str, column: Column) -> None:
    """Hold one column of a mapping against what a column may say.

    Raises
    ------
    MappingError
        With the key and what was expected there.
    """
    given = [name for name in ("column", "columns", "sum", "constant") if _is_given(column, name)]
    if len(given) != 1:
        raise MappingError(
            f"{key}: expected exactly one of column, columns, sum, constant; got {given or 'none'}"
        )
    if column.unit != units.YEARS_BEFORE_EVENT:
        try:
            units.factor(column.unit)
        except MappingError as error:
            raise MappingError(f"{key}.unit: {error}") from error
    _check_pattern(f"{key}.pattern", column.pattern)


def _check_pattern(key: str, pattern: str | None) -> None:
    if pattern is None:
        return
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise MappingError(f"{key}: expected a regular expression, got: {error}") from error
    if not 1 <= groups <= 4:
        raise MappingError(f"{key}: expected 1 to 4 groups (…), got {groups}")


def _is_given(column: Column, name: str) -> bool:
    return getattr(column, name) not in (None, (), {})


def _check_when(mapping: Mapping) -> None:
    try:
        ZoneInfo(mapping.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MappingError(
            f"time_zone: expected a name such as 'America/New_York', got {mapping.time_zone!r}"
        ) from error
    date = mapping.date
    if date is None:
        return
    given = [name for name in ("column", "year", "constant") if getattr(date, name)]
    if len(given) != 1:
        raise MappingError(
            f"[date]: expected exactly one of column, year, constant; got {', '.join(given) or 'none'}"
        )
    if date.month and not date.year:
        raise MappingError("[date]: month is given without year")


def _check_price(mapping: Mapping) -> None:
    price = mapping.price
    if price is None:
        if mapping.event != "property.recorded":
            raise MappingError(f"a {mapping.event} needs a [price]")
        return
    try:
        units.factor(price.unit)
    except MappingError as error:
        raise MappingError(f"price.unit: {error}") from error
    if price.currency != "USD" and price.usd_per_unit is None:
        raise MappingError(
            f"price.usd_per_unit is missing: state what one {price.currency} is worth in USD"
        )
    if price.usd_per_unit is not None and price.usd_per_unit <= 0:
        raise MappingError(f"expected price.usd_per_unit above 0, got {price.usd_per_unit}")
