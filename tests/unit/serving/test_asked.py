from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import msgspec
import msgspec.inspect as wire
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.models.valuation.answer import ComparableChoice, InvestmentTerms
from hki_ml.properties import HomeFacts
from hki_ml.serving.asked import (
    ComparablesBody,
    FactsBody,
    InvestmentBody,
    columns,
    iso,
    read_as_of,
    read_body,
)
from hki_ml.serving.problem import ProblemError

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
NUMBERS = [
    (f.encode_name, f.type.types[0].ge, f.type.types[0].le)
    for f in wire.type_info(HomeFacts).fields
    if isinstance(f.type.types[0], wire.FloatType)
]


def refused(**content):
    with pytest.raises(ProblemError) as caught:
        read_body(json.dumps(content).encode())
    assert caught.value.problem.status == 422
    return [error.pointer for error in caught.value.problem.errors]


@pytest.mark.parametrize(("name", "low", "high"), NUMBERS)
def test_a_fact_is_refused_just_outside_the_events_own_bounds(name, low, high):
    for inside in (low, high):
        body = {"facts": {name: inside, "area": "x"}}
        read_body(json.dumps(body).encode())
    assert refused(facts={name: low - 1}) == [f"/facts/{name}"]
    assert refused(facts={name: high + 1}) == [f"/facts/{name}"]
    assert refused(propertyId="a", overrides={name: high + 1}) == [f"/overrides/{name}"]


@given(
    st.sampled_from([n for n, _, _ in NUMBERS]),
    st.floats(-1e9, 1e9) | st.text(max_size=3) | st.booleans(),
)
def test_requests_and_events_agree_on_what_a_fact_may_be(name, value):
    def accepted(read):
        try:
            read()
        except (msgspec.ValidationError, ProblemError):
            return False
        return True

    event = accepted(lambda: msgspec.json.decode(json.dumps({name: value}), type=HomeFacts))
    body = json.dumps({"facts": {name: value}}).encode()
    assert accepted(lambda: read_body(body)) == event


def test_every_wrong_field_is_told_with_its_pointer():
    pointers = refused(
        propertyId="a",
        nonsense=1,
        comparables={"count": 2, "radiusKm": 0},
        investment={"holdingMonths": "6"},
    )
    assert sorted(pointers) == [
        "/comparables/count",
        "/comparables/radiusKm",
        "/investment/holdingMonths",
        "/nonsense",
    ]


def test_a_pointer_escapes_slashes_and_tildes():
    assert refused(propertyId="a", **{"a/b~c": 1}) == ["/a~1b~0c"]


@pytest.mark.parametrize("content", [{}, {"propertyId": "a", "facts": {}}, {"propertyId": None}])
def test_exactly_one_of_id_and_facts_is_wanted(content):
    assert refused(**content) == [""]


def test_a_sale_cannot_be_pinned_and_excluded():
    assert refused(propertyId="a", comparables={"pin": ["s"], "exclude": ["s"]}) == [
        "/comparables/exclude"
    ]


def test_coordinates_at_zero_are_refused():
    assert refused(facts={"latitude": 0, "longitude": 0}) == ["/facts/latitude"]


@pytest.mark.parametrize("value", ["a" * 201, "", True, [1], {"a": 1}, 10**400])
def test_an_extra_fact_is_a_number_or_a_short_text(value):
    assert refused(facts={"extra": {"rooms": value}}) == ["/facts/extra/rooms"]


def test_an_extra_name_is_snake_case():
    assert refused(facts={"extra": {"Rooms!": 1}}) == ["/facts/extra/Rooms!"]


def test_an_override_of_null_makes_a_fact_unknown_and_an_unsent_one_stays():
    facts = FactsBody.model_validate(
        {"bedrooms": None, "isWaterfront": True, "extra": {"lift": None}}
    )
    assert columns(facts, only_given=True) == {
        "bedrooms": None,
        "is_waterfront": 1.0,
        "extra_lift": None,
    }
    assert set(columns(facts)) >= {"bedrooms", "living_sqft", "is_waterfront"}


def test_the_defaults_are_the_rooms_own():
    assert ComparablesBody().choice() == ComparableChoice()
    assert InvestmentBody().terms() == InvestmentTerms()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2016-07-01", datetime(2016, 7, 1, tzinfo=UTC)),
        ("2016-07-01T02:00:00+02:00", datetime(2016, 7, 1, tzinfo=UTC)),
        ("2016-07-01T00:00:00.000Z", datetime(2016, 7, 1, tzinfo=UTC)),
    ],
)
def test_a_day_or_a_zoned_moment_is_read_as_utc(text, moment):
    assert read_as_of(text, NOW) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2016-13-01",
        "2016-07-01T00:00:00",
        "1850-01-01",
        "2016-02-30",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        iso(NOW + timedelta(minutes=6)),
        "2027-01-01",
    ],
)
def test_what_is_no_past_moment_is_refused_at_as_of(text):
    with pytest.raises(ProblemError) as caught:
        read_as_of(text, NOW)
    assert caught.value.problem.errors[0].pointer == "/asOf"


@given(st.text(max_size=40))
def test_any_text_is_a_past_moment_or_refused(text):
    try:
        moment = read_as_of(text, NOW)
    except ProblemError as error:
        assert error.problem.status == 422  # noqa: PT017 - it may also be read
    else:
        assert moment is not None
        assert moment <= NOW + timedelta(minutes=5)
