from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.errors import MappingError
from hki_ml.events import decode, encode
from hki_ml.identity import event_id, event_ids
from hki_ml.mapping import Mapped, apply_mapping, parse_mapping
from hki_ml.mapping.plausible import Likes, unit_warnings
from hki_ml.mapping.units import FACTORS
from hki_ml.mapping.wire import to_events

AS_OF = datetime(2024, 6, 1, tzinfo=UTC)
HEAD = 'source = "here"\n'
BODY = """
[id]
property = ["parcel"]
[date]
column = "sold"
formats = ["%m/%d/%Y", "%d.%m.%Y"]
[price]
column = "price"
[facts]
area = "zip"
living_sqft = "sqft"
latitude = "lat"
longitude = "lon"
"""
GOOD = {
    "parcel": "1",
    "sold": "2020-05-04",
    "price": "500000",
    "zip": "98101",
    "sqft": "1200",
    "lat": "47.6",
    "lon": "-122.3",
}


def apply(*rows: dict[str, object], toml: str = HEAD + BODY) -> Mapped:
    frame = pl.DataFrame([GOOD | row for row in rows], infer_schema_length=None)
    return apply_mapping(frame, parse_mapping(toml), as_of=AS_OF)


def test_a_good_row_is_accepted_whole() -> None:
    row = apply({}).accepted.to_dicts()[0]
    assert row["property_id"] == "1"
    assert row["occurred_at"] == datetime(2020, 5, 4, tzinfo=UTC)
    assert (row["price_usd"], row["living_sqft"], row["area"]) == (500_000.0, 1_200.0, "98101")
    assert row["bedrooms"] is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"parcel": " "}, "property_id_missing"),
        ({"price": None}, "price_missing"),
        ({"price": "call us"}, "price_unparsable"),
        ({"price": "-5"}, "price_not_positive"),
        ({"price": "0"}, "price_not_positive"),
        ({"price": "inf"}, "price_not_finite"),
        ({"price": "NaN"}, "price_not_finite"),
        ({"price": "5e11"}, "price_out_of_range"),
        ({"sold": None}, "date_missing"),
        ({"sold": "yesterday"}, "date_unparsable"),
        ({"sold": "2031-01-01"}, "date_in_future"),
        ({"sold": "1066-10-14"}, "date_out_of_range"),
        ({"sqft": "big"}, "number_unparsable"),
        ({"sqft": "3"}, "value_out_of_range"),
        ({"sqft": "inf"}, "value_out_of_range"),
        ({"lat": "0", "lon": "0"}, "coordinates_at_zero"),
        ({"lat": "-122.3", "lon": "47.6"}, "coordinates_swapped"),
        ({"lat": "-73.9", "lon": "40.7"}, "coordinates_swapped"),
        ({"lat": "47.6", "lon": "-222.3"}, "coordinates_out_of_range"),
        ({"zip": "x" * 1_000_000}, "text_too_long"),
        ({"parcel": "x" * 1_000_000}, "text_too_long"),
    ],
)
def test_a_bad_row_is_refused_for_its_reason_and_says_what_came(
    change: dict[str, object], reason: str
) -> None:
    mapped = apply({}, change)
    assert mapped.accepted.height == 1
    refused = mapped.refused.to_dicts()
    assert [(row["reason"], row["row_number"]) for row in refused] == [(reason, 2)]
    assert "expected" in refused[0]["detail"]
    assert len(refused[0]["detail"]) < 300


@pytest.mark.parametrize("sold", ["05/04/2020", "04.05.2020", "2020-05-04", "2020-05-04T23:30:00Z"])
def test_a_day_is_read_in_any_of_its_formats(sold: str) -> None:
    assert apply({"sold": sold}).accepted["occurred_at"].dt.date().to_list() == [date(2020, 5, 4)]


def test_a_moment_is_the_day_of_its_zone() -> None:
    toml = HEAD + 'time_zone = "Asia/Singapore"' + BODY
    accepted = apply({"sold": "2020-05-04T23:30:00Z"}, toml=toml).accepted
    assert accepted["occurred_at"].dt.date().to_list() == [date(2020, 5, 5)]


def test_text_in_any_script_is_kept() -> None:
    assert apply({"zip": "東京 🏠"}).accepted["area"].to_list() == ["東京 🏠"]


def test_a_missing_column_is_named_with_the_closest_that_is_there() -> None:
    frame = pl.DataFrame([GOOD]).rename({"price": "Sale Price", "sqft": "sqft_"})
    with pytest.raises(
        MappingError, match=r"no column 'price'.*'sqft'.*did you mean 'sqft_'"
    ) as caught:
        apply_mapping(frame, parse_mapping(HEAD + BODY), as_of=AS_OF)
    assert "'Sale Price'" in str(caught.value)


def test_filtered_rows_are_neither_accepted_nor_refused() -> None:
    toml = HEAD + 'filters = [{ column = "price", min = 1000 }]' + BODY
    mapped = apply({}, {"price": "10"}, {"price": None}, toml=toml)
    assert (mapped.read, mapped.filtered, mapped.accepted.height, mapped.refused.height) == (
        3,
        2,
        1,
        0,
    )


def test_an_age_at_the_sale_becomes_a_year() -> None:
    toml = HEAD + BODY + 'year_built = { column = "age", unit = "years_before_event" }'
    assert apply({"age": "30"}, toml=toml).accepted["year_built"].to_list() == [1990.0]


def test_a_band_in_text_becomes_its_middle() -> None:
    toml = HEAD + BODY + "[extra]\nstorey = { column = 'band', pattern = '(\\d+) TO (\\d+)' }"
    assert apply({"band": "04 TO 06"}, toml=toml).accepted["extra_storey"].to_list() == [5.0]


def test_columns_are_summed_by_weight_and_joined_to_an_id() -> None:
    toml = (HEAD + BODY).replace('["parcel"]', '["zip", "parcel"]')
    toml += "bathrooms = { sum = { full = 1, half = 0.5 } }"
    row = apply({"full": 2, "half": 1}, toml=toml).accepted.to_dicts()[0]
    assert (row["property_id"], row["bathrooms"]) == ("98101-1", 2.5)


def test_values_are_replaced_and_the_rest_is_kept_or_named() -> None:
    toml = HEAD + BODY + 'property_type = { column = "type", values = { sfr = "house" } }'
    assert apply({"type": "sfr"}, {"type": "x"}, toml=toml).accepted["property_type"].to_list() == [
        "house",
        "x",
    ]
    other = toml.replace("} }", '}, other = "else" }')
    assert apply({"type": "sfr"}, {"type": "x"}, toml=other).accepted[
        "property_type"
    ].to_list() == ["house", "else"]


def test_typed_and_text_columns_give_the_same() -> None:
    text = pl.DataFrame([GOOD])
    typed = text.with_columns(
        pl.col("price", "sqft", "lat", "lon").cast(pl.Float64), pl.col("sold").str.to_date()
    )
    mapping = parse_mapping(HEAD + BODY)
    assert apply_mapping(text, mapping, as_of=AS_OF).accepted.equals(
        apply_mapping(typed, mapping, as_of=AS_OF).accepted
    )


def test_an_optional_column_may_be_missing() -> None:
    toml = HEAD + BODY + 'bedrooms = { column = "beds", optional = true }'
    assert apply({}, toml=toml).accepted["bedrooms"].to_list() == [None]
    assert apply({"beds": "3"}, toml=toml).accepted["bedrooms"].to_list() == [3.0]


@settings(deadline=None)
@given(unit=st.sampled_from(sorted(FACTORS)), value=st.floats(100, 1_000))
def test_a_unit_and_its_inverse_give_the_value_back(unit: str, value: float) -> None:
    toml = HEAD + BODY + f'[extra]\nx = {{ column = "x", unit = "{unit}" }}'
    there = apply({"x": value}, toml=toml).accepted["extra_x"][0]
    back = apply(
        {"x": there}, toml=toml.replace(f'"{unit}" }}', f"{1 / FACTORS[unit]!r} }}")
    ).accepted["extra_x"][0]
    assert back == pytest.approx(value)


@settings(deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_rows_changes_no_verdict(order: list[int]) -> None:
    rows = [
        {},
        {"parcel": "2", "price": "-1"},
        {"parcel": "3"},
        {"parcel": None},
        {"parcel": "5", "sold": "?"},
        {"parcel": "6"},
    ]
    straight, mixed = apply(*rows), apply(*(rows[i] for i in order))
    assert set(straight.accepted["property_id"]) == set(mixed.accepted["property_id"])
    assert sorted(straight.refused["reason"]) == sorted(mixed.refused["reason"])


EXTRA = '\nis_waterfront = "wet"\n[extra]\nnote = { column = "note", kind = "category" }\nrooms = "rooms"'


@settings(deadline=None)
@given(
    note=st.none() | st.text(max_size=50),
    rooms=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    wet=st.none() | st.booleans(),
)
def test_the_columns_write_what_one_event_writes(
    *, note: str | None, rooms: float | None, wet: bool | None
) -> None:
    if note is not None:
        note = note.encode("utf-8", "ignore").decode()
    frame = pl.DataFrame(
        [GOOD | {"note": note, "rooms": rooms, "wet": wet}],
        schema_overrides={"note": pl.String, "rooms": pl.Float64, "wet": pl.Boolean},
    )
    mapping = parse_mapping(HEAD + BODY + EXTRA)
    accepted = apply_mapping(frame, mapping, as_of=AS_OF).accepted
    raw = to_events(accepted, mapping)["event"][0].encode()
    event = decode(raw)
    assert decode(encode(event)) == event
    assert getattr(event.properties, "facts").is_waterfront == wet  # noqa: B009
    assert b"null" not in raw or (note is not None and "null" in note)


def test_many_ids_at_once_are_those_one_by_one() -> None:
    moments = [datetime(2016, 7, 1, tzinfo=UTC), datetime(1969, 7, 20, tzinfo=UTC)]
    at_once = event_ids([round(m.timestamp() * 1000) for m in moments], ["a\x1fb", "ü"])
    assert at_once == [str(event_id(moments[0], "a", "b")), str(event_id(moments[1], "ü"))]


def accepted_rows(n: int, **columns: object) -> pl.DataFrame:
    base = {"row_number": range(n), "area": "a", "property_type": "t", "price_usd": 500_000.0}
    base |= {"living_sqft": 1_500.0, "latitude": 40.7, "longitude": -73.9}
    return pl.DataFrame(base | columns).with_columns(pl.col("row_number").cast(pl.Int64))


def test_a_price_ten_times_off_its_like_is_implausible() -> None:
    prices = [500_000.0] * 99 + [500_000_000.0]
    kept, refused = Likes().judge(accepted_rows(100, price_usd=prices))
    assert kept.height == 99
    assert refused.to_dicts()[0]["reason"] == "price_implausible"
    assert refused.to_dicts()[0]["row_number"] == 99


def test_a_few_rows_have_no_like_to_be_judged_by() -> None:
    kept, _ = Likes().judge(accepted_rows(5, price_usd=[1e5, 1e6, 1e7, 1e8, 1e9]))
    assert kept.height == 5


def test_swapped_coordinates_are_found_where_both_orders_are_possible() -> None:
    lat, lon = [52.5] * 50 + [13.4], [13.4] * 50 + [52.5]
    _, refused = Likes().judge(accepted_rows(51, latitude=lat, longitude=lon))
    assert refused["reason"].to_list() == ["coordinates_swapped"]


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        ({"price_usd": 500.0}, "price.unit"),
        ({"price_usd": 5e8}, "price.unit"),
        ({"living_sqft": 120.0}, "facts.living_sqft.unit"),
        ({"living_sqft": 14_000.0, "price_usd": 50_000.0}, "facts.living_sqft.unit"),
    ],
)
def test_an_impossible_median_names_the_unit_to_look_at(
    columns: dict[str, float], key: str
) -> None:
    (warning,) = unit_warnings(accepted_rows(100, **columns))
    assert key in warning


def test_ordinary_medians_warn_of_nothing() -> None:
    assert unit_warnings(accepted_rows(100)) == []


def test_codes_that_a_gap_made_decimal_are_whole_again() -> None:
    frame = pl.DataFrame([GOOD, GOOD]).with_columns(zip=pl.Series([98101.0, float("nan")]))
    accepted = apply_mapping(frame, parse_mapping(HEAD + BODY), as_of=AS_OF).accepted
    assert accepted["area"].to_list() == ["98101", None]


def test_infinite_codes_are_text_and_break_nothing() -> None:
    frame = pl.DataFrame([GOOD, GOOD]).with_columns(zip=pl.Series([98101.0, float("inf")]))
    accepted = apply_mapping(frame, parse_mapping(HEAD + BODY), as_of=AS_OF).accepted
    assert accepted["area"].to_list() == ["98101.0", "inf"]
