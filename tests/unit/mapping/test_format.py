from __future__ import annotations

import re
from pathlib import Path

import pytest

from hki_ml import properties
from hki_ml.errors import MappingError
from hki_ml.mapping import load_mapping, parse_mapping
from hki_ml.mapping.checks import RANGES
from hki_ml.mapping.deals import is_of_deals
from hki_ml.mapping.leads import is_of_leads
from hki_ml.mapping.units import FACTORS, factor
from hki_ml.tables import FACTS

MAPPINGS = [
    path
    for path in sorted((Path(__file__).parents[3] / "mappings").glob("*.toml"))
    if not is_of_leads(path.read_text()) and not is_of_deals(path.read_text())
]
SMALLEST = """
source = "here"
[id]
property = ["parcel"]
[price]
column = "price"
"""


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_every_mapping_of_ours_reads_and_says_when_and_how_much(path: Path) -> None:
    mapping = load_mapping(path)
    assert mapping.date is not None
    assert mapping.price is not None
    assert mapping.facts.keys() <= set(FACTS)


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_no_mapping_of_ours_takes_as_a_fact_what_is_known_only_with_the_sale(path: Path) -> None:
    mapping = load_mapping(path)
    assert mapping.price is not None
    leaks = {mapping.price.column, "Sale_Type", "Sale_Condition", "list_price"}
    read = {name for column in mapping.fields().values() for name in column.sources}
    assert not read & leaks


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("sorce = 'x'", "did you mean 'source'"),
        ("[facts]\nliving_sqf = 'a'", "did you mean 'living_sqft'"),
        ("[facts]\nlot_sqft = { colum = 'a' }", "did you mean 'column'"),
        ("[facts]\nlot_sqft = { column = 'a', unit = 'hectar' }", "did you mean 'hectare'"),
        ("[extra]\nRooms = 'a'", "snake_case"),
        ("[extra]\nx = { column = 'a', pattern = '(' }", "extra.x.pattern"),
        ("[extra]\nx = { unit = 'm2' }", "exactly one of column"),
        ("[date]\ncolumn = 'a'\nyear = 'b'", "exactly one of column, year, constant"),
        ("time_zone = 'Mars/Olympus'", "America/New_York"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_closest_name(line: str, hint: str) -> None:
    text = f"{line}\n{SMALLEST}" if "[" not in line else f"{SMALLEST}\n{line}"
    with pytest.raises(MappingError, match=re.escape(hint)):
        parse_mapping(text)


def test_a_foreign_currency_needs_its_rate() -> None:
    with pytest.raises(MappingError, match="usd_per_unit is missing"):
        parse_mapping(SMALLEST + 'currency = "SGD"')


def test_broken_toml_is_named_with_its_file(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("source = ")
    with pytest.raises(MappingError, match=r"broken\.toml.*syntax"):
        load_mapping(broken)


def test_units_are_what_the_standards_say() -> None:
    assert factor("acre") == 43_560
    assert factor("hectare") == pytest.approx(107_639.104, abs=0.001)
    assert all(value > 0 for value in FACTORS.values())


def test_the_ranges_of_rows_are_those_of_events() -> None:
    facts = properties.HomeFacts.__annotations__
    for name, (low, high) in RANGES.items():
        if name == "is_waterfront":
            continue
        meta = getattr(properties, facts[name].split(" ")[0]).__metadata__[0]
        assert (meta.ge, meta.le) == (low, high), name


def test_the_documentation_names_every_key_field_unit_and_reason() -> None:
    import msgspec

    from hki_ml.mapping import checks, format  # noqa: A004 - the module's name

    text = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text()
    structs = (format.Mapping, format.Layout, format.Ids, format.Dates, format.Price, format.Column)
    keys = {field.encode_name for each in structs for field in msgspec.structs.fields(each)}
    keys |= {field.encode_name for field in msgspec.structs.fields(format.Filter)}
    assert {word for word in keys | set(FACTS) | set(checks.REASONS) if word not in text} == set()
    assert {unit for unit in FACTORS if f" {unit}" not in text.replace("`", " ")} == set()


def test_the_example_of_the_documentation_reads() -> None:
    text = (Path(__file__).parents[3] / "docs" / "mapping.md").read_text()
    mapping = parse_mapping(text.split("```toml\n")[1].split("```")[0])
    assert mapping.facts["living_sqft"].unit == "m2"


@pytest.mark.parametrize("line", ["header_row = 0", 'separator = "||"', 'decimal = ";"'])
def test_a_layout_that_no_file_has_is_refused_with_its_key(line: str) -> None:
    good = 'source = "a"\n[id]\nproperty = ["p"]\n[price]\ncolumn = "price"\n[file]\n'
    with pytest.raises(MappingError, match=line.split(maxsplit=1)[0]):
        parse_mapping(good + line)
