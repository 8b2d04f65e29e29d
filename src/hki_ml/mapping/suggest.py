"""A draft of a mapping for a file never seen: guessed from names and values, each guess marked as one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from hki_ml.errors import FileUnreadable
from hki_ml.mapping import parse
from hki_ml.mapping.files import open_rows

SAMPLE_BATCHES = 2
_FORMATS = (
    "%Y-%m-%d",
    "%Y%m%d",
    "%Y%m%dT%H%M%S",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y-%m",
    "%b %d, %Y",
)

# Field, pattern of the column's plain name, range that nine of ten numbers lie in. The first column
# that fits takes the field; order matters (list price before price).
_LEAKS = r"list.*pric|asking|assess|apprais|tax.*val|zestimate|valuation|price.?per|psf|sale.?(cond|type)"
_PARTS = r"bsmt|basement|garage|porch|deck|half"  # parts of a home, not the whole
_HINTS: tuple[tuple[str, str, float, float], ...] = (
    (
        "price",
        r"(sale|sold|close|resale|transaction)_?(price|amount|value)|^price|^amount$",
        1,
        1e10,
    ),
    (
        "living_sqft",
        r"(gr_?liv|liv|gross|tot|bldg|building|floor|heated|gr_liv).*(sf|sq|area|m2)|sqft_liv|^sqft$|^area_?(m2|sqm)$",
        15,
        2e5,
    ),
    ("lot_sqft", r"(lot|land|plot).*(sf|sq|area|size|m2|acre)|sqft_lot|^acres?$", 0, 5e8),
    ("bedrooms", r"bed", 0, 50),
    ("bathrooms", r"bath", 0, 50),
    ("stories", r"stor(y|ies)|floors$|levels$", 0, 200),
    ("units", r"(total|num|no|n)_?units|^units$", 0, 1e4),
    ("year_built", r"(yr|year).*(built|constr)|built.*(yr|year)|yearbuilt", 1600, 2200),
    ("year_renovated", r"(yr|year).*(renov|remod)|renov.*(yr|year)", 0, 2200),
    ("latitude", r"^lat|_lat$|latitude", -90, 90),
    ("longitude", r"^lon|^lng|_lon$|longitude", -180, 180),
    ("quality_grade", r"grade|overall_?qual|^quality", -100, 1000),
    ("condition_grade", r"^cond|overall_?cond", -100, 1000),
    ("view_grade", r"^view", -100, 1000),
    ("is_waterfront", r"waterfront|wfnt", 0, 1),
)
_TEXT_HINTS = (
    ("area", r"neighbou?rhood|^zip|zip_?code|postcode|^town$|^area$|district|suburb|submarket"),
    ("property_type", r"(property|prop|home|house|flat|use|bldg|dwelling)_?type|building_?class"),
)
_IDS = r"parcel|^pin|^apn$|^bbl$|property_?id|^id$|^pid$|house_?id"
_SALE_IDS = r"(sale|transaction|deed|document)_?(id|no|num)"


def suggest(path: Path) -> str:
    """Return a mapping in TOML that reads the file, with a comment on every guess.

    Raises
    ------
    FileUnreadable
        If the file cannot be read or holds no rows.
    """
    rows = open_rows(path)
    sample = pl.concat(list(islice(rows.batches(rows.columns), SAMPLE_BATCHES)) or [pl.DataFrame()])
    if sample.is_empty():
        raise FileUnreadable(f"{path}: expected rows, found only the names of columns")
    return "\n".join(_lines(sample.head(20_000), path)) + "\n"


def _lines(sample: pl.DataFrame, path: Path) -> Iterator[str]:
    left = list(sample.columns)
    numbers = dict(_guessed_numbers(sample, left))
    texts = dict(_guessed_texts(left))
    identity = _identity(left)
    sale = _take(left, _SALE_IDS)
    yield f"# Draft for {path.name}: every line below is a guess from names and values. Check it, then"
    yield f"# hki import {path.name} --mapping THIS --dry-run"
    yield 'event = "sale.recorded"'
    yield f'source = "{re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "file"}"'
    yield 'time_zone = "UTC" # guess: no file says its zone'
    yield from _filter_lines(sample, numbers.get("price"))
    yield from ["", "[id]"]
    if identity:
        yield f"property = [{', '.join(map(_quoted, identity))}]"
    else:
        best = [
            name for name in [*texts.values(), *numbers.values()] if name != numbers.get("price")
        ]
        yield "# guess: no column looks like an id of the home; these together stand for one"
        yield f"property = [{', '.join(map(_quoted, (best or sample.columns)[:6]))}]"
    if sale:
        yield f"sale = [{_quoted(sale)}]"
    yield from _date_lines(sample, left)
    yield from _price_lines(numbers.pop("price", None))
    yield from ["", "[facts]"]
    yield from (f"{field} = {_quoted(column)}" for field, column in texts.items())
    for field, column in numbers.items():
        yield _fact_line(field, column, sample)
    yield from _extra_lines(sample, left)


def _guessed_numbers(sample: pl.DataFrame, left: list[str]) -> Iterator[tuple[str, str]]:
    for field, pattern, low, high in _HINTS:
        for column in list(left):
            plain = _plain(column)
            if re.search(pattern, plain) and not re.search(f"{_LEAKS}|{_PARTS}", plain):
                values = _numbers(sample, column).drop_nulls()
                values = values.filter(values != 0) if low > 0 else values  # 0 then says nothing
                if len(values) and bool(values.is_between(low, high).mean() >= 0.9):  # type: ignore[operator]
                    left.remove(column)
                    yield field, column
                    break


def _guessed_texts(left: list[str]) -> Iterator[tuple[str, str]]:
    for field, pattern in _TEXT_HINTS:
        column = _take(left, pattern)
        if column:
            yield field, column


def _take(left: list[str], pattern: str) -> str | None:
    for column in left:
        if re.search(pattern, _plain(column)):
            left.remove(column)
            return column
    return None


def _identity(left: list[str]) -> list[str]:
    plain = {_plain(column): column for column in left}
    if {"borough", "block", "lot"} <= set(plain):
        return [plain["borough"], plain["block"], plain["lot"]]
    column = _take(left, _IDS)
    return [column] if column else []


def _date_lines(sample: pl.DataFrame, left: list[str]) -> Iterator[str]:
    by_name = sorted(left, key=lambda name: not re.search(r"date|sold|month|closed", _plain(name)))
    for column in by_name:
        values = sample[column]
        if values.dtype.is_temporal():
            left.remove(column)
            yield from ["", "[date]", f"column = {_quoted(column)}"]
            return
        if not re.search(r"date|sold|month|time|closed", _plain(column)):
            continue
        said = parse.text(sample, column).drop_nulls()
        for form in _FORMATS:
            if len(said) and parse.day(said, (form,), "UTC").null_count() <= 0.1 * len(said):
                left.remove(column)
                yield from ["", "[date]", f"column = {_quoted(column)}"]
                yield f"formats = [{_quoted(form)}] # guess; the first that fits most values"
                return
    yield from [
        "",
        "# No column looks like a date. A backtest then splits at random; an import needs one:",
    ]
    yield from ["# [date]", '# constant = "2020-01-01"']


def _filter_lines(sample: pl.DataFrame, price: str | None) -> Iterator[str]:
    if price is None:
        return
    share = (_numbers(sample, price) <= 0).fill_null(value=False).mean()
    if isinstance(share, float) and share > 0.01:
        why = f"guess: {share:.0%} have no price above 0, they are no sales"
        yield f"filters = [{{ column = {_quoted(price)}, min = 1 }}] # {why}"


def _price_lines(column: str | None) -> Iterator[str]:
    yield from ["", "[price]"]
    if column is None:
        yield '# No column looks like a price of a sale: name it.\ncolumn = "?"'
    else:
        yield f"column = {_quoted(column)} # in USD? else: currency and usd_per_unit"


def _fact_line(field: str, column: str, sample: pl.DataFrame) -> str:
    middle = _numbers(sample, column).drop_nulls().median()
    value = float(middle) if isinstance(middle, int | float) else 0.0
    plain = _plain(column)
    unit, why = None, ""
    if field == "living_sqft" and (re.search(r"m2|sqm|meter|metre", plain) or value < 300):
        unit, why = (
            "m2",
            "guess from the name" if value >= 300 else f"guess: the median is {value:g}",
        )
    elif field == "lot_sqft" and re.search(r"acre", plain):
        unit, why = "acre", "guess from the name"
    elif field == "lot_sqft" and re.search(r"m2|sqm", plain):
        unit, why = "m2", "guess from the name"
    may_be_zero = field not in ("living_sqft", "lot_sqft", "year_built", "year_renovated")
    missing = ", missing = [0]" if not may_be_zero and _has_zeros(sample, column) else ""
    if unit is None and not missing:
        return f"{field} = {_quoted(column)}"
    said = f', unit = "{unit}"' if unit else ""
    return f"{field} = {{ column = {_quoted(column)}{said}{missing} }}" + (
        f" # {why}" if why else ""
    )


def _has_zeros(sample: pl.DataFrame, column: str) -> bool:
    return bool((_numbers(sample, column) == 0).any())


def _extra_lines(sample: pl.DataFrame, left: list[str]) -> Iterator[str]:
    yield from ["", "[extra]"]
    names: set[str] = set()
    for column in left:
        name = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")[:50] or "column"
        name = name if name[0].isalpha() else f"x_{name}"
        line = _extra_line(sample, column, name)
        if name in names or line.startswith("#"):
            yield line if line.startswith("#") else f"# {line} # a second column of that name"
        else:
            yield line
        names.add(name)


def _extra_line(sample: pl.DataFrame, column: str, name: str) -> str:
    if re.search(_LEAKS, _plain(column)):
        return f"# {_quoted(column)} left out: known with the sale or derived from its price"
    said = parse.text(sample, column).drop_nulls()
    if not len(said):
        return f"# {_quoted(column)} left out: always empty"
    if _numbers(sample, column).null_count() <= sample.height - len(said):
        return f"{name} = {_quoted(column)}"
    distinct = said.n_unique()
    if distinct > 400 or said.str.len_chars().max() > 100:  # type: ignore[operator]
        return f"# {_quoted(column)} left out: text with {distinct} values"
    return f'{name} = {{ column = {_quoted(column)}, kind = "category" }}'


def _numbers(sample: pl.DataFrame, column: str) -> pl.Series:
    values = sample[column]
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return values.cast(pl.Float64).fill_nan(None)
    return parse.plain_number(parse.text(sample, column))


def _plain(column: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
