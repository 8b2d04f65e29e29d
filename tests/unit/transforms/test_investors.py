from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.errors import EventRejected
from hki_ml.events import decode
from hki_ml.tables import PROPERTY_FACTS, PROPERTY_VALUE
from hki_ml.transforms.deals import deal_offers, deals
from hki_ml.transforms.leads import leads
from tests.unit.transforms.investor_events import of_deal, state_at
from tests.unit.transforms.lead_events import START, event, table

happenings = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(
            ["deal.offered", "asked", "declined", "offered", "deal.bought", "criteria", "gone", "back"]
        ),
        st.sampled_from(["d1", "d2", "d3"]),
        st.integers(0, 100),
        st.integers(0, 15),
    ),
    max_size=25,
)  # fmt: skip


def told(happened: list) -> list[dict]:
    events = [
        event("investor.registered", who, day, says={"kind": "flipper"})
        for who, day in (("a", 0), ("b", 20))
    ]
    for who, kind, deal, day, late in happened:
        if kind == "criteria":
            says = {"priceHighUsd": 1e5 + day, "optedOut": day > 90}
            events.append(event("investor.criteria_set", who, day, says=says, late=late))
        elif kind in {"gone", "back"}:
            name = {"gone": "investor.deleted", "back": "investor.registered"}[kind]
            events.append(event(name, who, day, late=late))
        elif kind.startswith("deal."):
            events.append(of_deal(kind, who, deal, day, late=late))
        else:
            events.append(of_deal("deal.responded", who, deal, day, late=late, response=kind))
    return events


@settings(max_examples=25, deadline=None)
@given(happenings, st.integers(0, 120))
def test_what_is_received_later_changes_no_earlier_row(happened, day):
    events = told(happened)
    moment = START.timestamp() + (day + 0.5) * 86_400
    known = [each for each in events if each["received_at"].timestamp() <= moment]
    asked = [("a", day + 0.5), ("b", day + 0.5)]
    assert state_at(events, asked) == state_at(known, asked)


@settings(max_examples=15, deadline=None)
@given(happenings, st.randoms())
def test_the_order_in_which_events_are_stored_means_nothing(happened, chance):
    events = told(happened)
    mixed = list(events)
    chance.shuffle(mixed)
    assert state_at(events, [("a", 130), ("b", 130)]) == state_at(mixed, [("a", 130), ("b", 130)])


@settings(max_examples=20, deadline=None)
@given(happenings, st.integers(0, 120))
def test_a_deal_stands_as_it_was_when_it_was_first_known(happened, day):
    events = told(happened)
    moment = START.timestamp() + (day + 0.5) * 86_400
    known = [each for each in events if each["received_at"].timestamp() <= moment]

    def made(some: list[dict]) -> list[dict]:
        rows = table(some)
        none = (PROPERTY_FACTS.empty_table(), PROPERTY_VALUE.empty_table())
        return deals(rows, leads(rows), *none).to_pylist()

    whole = [row for row in made(events) if row["known_at"].timestamp() <= moment]
    assert whole == made(known)


def test_the_first_answer_counts_and_the_first_positive_one_beside_it():
    events = [
        of_deal("deal.offered", "a", "d", 1),
        of_deal("deal.responded", "a", "d", 2, response="declined"),
        of_deal("deal.responded", "a", "d", 3, response="asked"),
        of_deal("deal.responded", "a", "never shown", 3, response="asked"),
    ]
    (row,) = deal_offers(table(events)).to_pylist()
    assert row["response"] == "declined"
    assert (row["positive_at"] - START).days == 3
    assert row["bought_at"] is None


def test_rates_are_shrunk_to_the_usual_ones_and_told_with_their_n():
    events = [event("investor.registered", who, 0) for who in "abc"]
    for day in range(20):
        events.append(of_deal("deal.offered", "a", f"d{day}", day))
        events.append(of_deal("deal.responded", "a", f"d{day}", day + 0.5, response="toured"))
        events.append(of_deal("deal.offered", "b", f"d{day}", day))
    events.append(of_deal("deal.bought", "a", "d3", 9))
    busy, silent, new = state_at(events, [(who, 50.0) for who in "abc"])
    assert (
        busy["investor_response_rate"]
        > new["investor_response_rate"]
        > silent["investor_response_rate"]
    )
    assert (busy["investor_offers_count"], busy["investor_positives_count"]) == (20, 20)
    assert (busy["investor_buys_count"], new["investor_offers_count"]) == (1, 0)
    assert new["investor_average_deal_size"] == pytest.approx(100_000)
    columns = json.loads(busy["investor_moments_json"])
    assert columns[1].count(2) == 19
    assert columns[1].count(3) == 1
    assert new["investor_moments_json"] is None


def test_who_opted_out_is_marked_from_then_on():
    events = [
        event("investor.registered", "a", 0),
        event("investor.criteria_set", "a", 5, says={"optedOut": True}),
    ]
    before, after = state_at(events, [("a", 4.0), ("a", 6.0)])
    assert (before["investor_opted_out"], after["investor_opted_out"]) == (False, True)


def test_who_is_deleted_is_nobody_from_then_on_and_a_newcomer_if_registered_again():
    events = [
        event("investor.registered", "a", 0, says={"kind": "flipper"}),
        event("investor.criteria_set", "a", 1, says={"priceHighUsd": 1e5}),
        event("investor.deleted", "a", 5, says={"reason": "moved_away"}),
        event("investor.registered", "a", 9, says={"kind": "landlord"}),
    ]
    before, back = state_at(events, [("a", 4.0), ("a", 6.0), ("a", 10.0)])
    assert before["investor_kind"] == "flipper"
    assert before["investor_criteria_json"] is not None
    assert (back["investor_kind"], back["investor_criteria_json"]) == ("landlord", None)


@pytest.mark.parametrize(
    ("said", "both"),
    [
        ('"priceLowUsd":500000,"priceHighUsd":100000', ("priceLowUsd", "priceHighUsd")),
        ('"areas":[]', ("areas", "empty")),
    ],
)
def test_criteria_that_contradict_one_another_are_refused_with_both_named(said, both):
    raw = (
        '{"eventType":"investor.criteria_set","eventId":"0190a5f0-0000-7000-8000-000000000000",'
        '"entityId":"i1","occurredAt":"2024-01-01T00:00:00Z","receivedAt":"2024-01-01T00:00:00Z",'
        '"source":"crm","properties":{' + said + "}}"
    )
    with pytest.raises(EventRejected) as refused:
        decode(raw.encode())
    assert refused.value.reason == "contradictory_criteria"
    assert all(name in refused.value.detail for name in both)
