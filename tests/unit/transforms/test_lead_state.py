from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.learning.lead_clock import KINDS
from hki_ml.learning.lead_features import feature_row
from hki_ml.tables import MARKET_TREND, PROPERTY_FACTS
from hki_ml.transforms.lead_state import Activity, Surroundings, lead_state
from hki_ml.transforms.leads import leads
from tests.unit.transforms.lead_events import START, event, state_at, table

HOUR = 1 / 24
happenings = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([*KINDS, "lead.closed", "lead.lost"]),
        st.integers(0, 200),
        st.integers(0, 15),
    ),
    max_size=25,
)


def created() -> list[dict]:
    return [
        event("lead.created", lead, day, says={"leadSource": source, "propertyId": home})
        for lead, day, source, home in (
            ("a", 0, "web", "home 1"), ("b", 3, "web", "home 2"), ("c", 40, "fair", "home 1"),
        )
    ]  # fmt: skip


def home_lead(lead: str, day: float, *, late: float = 0.0, **facts: float) -> dict:
    says = {"leadSource": "web", "propertyId": "home 1", "facts": facts}
    return event("lead.created", lead, day, says=says, late=late)


def of_home(state: dict) -> dict:
    """Return what a state says of its home's earlier leads, without the prefix."""
    prefix = "history_home_"
    return {name.removeprefix(prefix): v for name, v in state.items() if name.startswith(prefix)}


def test_a_home_remembers_its_earlier_leads_and_how_the_last_of_them_ended():
    events = [
        home_lead("first", 0), event("lead.closed", "first", 10),
        home_lead("second", 100, debt=50.0), event("lead.lost", "second", 130),
        home_lead("third", 400, debt=200.0),
    ]  # fmt: skip
    found = of_home(state_at(events, [("third", 400)])[0])
    facts = json.loads(found.pop("facts_json"))
    assert facts == {"debt": 50.0}
    assert found == {
        "gap_days": 300, "closed_share": 0.5, "last_closed": 0, "last_days": 30,
    }  # fmt: skip


def test_an_end_of_the_same_home_counts_only_after_it_was_known():
    events = [
        home_lead("first", 0), event("lead.closed", "first", 10, late=50), home_lead("second", 20),
    ]  # fmt: skip
    before, at, after = (of_home(state_at(events, [("second", day)])[0]) for day in (59, 60, 61))
    assert before == at
    assert (before["gap_days"], before["closed_share"], before["last_closed"]) == (20, None, None)
    assert (after["closed_share"], after["last_closed"], after["last_days"]) == (1, 1, 10)


def test_a_lead_is_no_history_of_its_own_and_later_leads_are_none_either():
    events = [home_lead("first", 0), event("lead.closed", "first", 10), home_lead("second", 20)]
    found = of_home(state_at(events, [("first", 300)])[0])
    assert set(found.values()) == {None}


def test_without_a_home_nothing_is_known_of_its_history():
    events = [event("lead.created", "a", 0), event("lead.created", "b", 9)]
    assert set(of_home(state_at(events, [("b", 9)])[0]).values()) == {None}


def test_a_fact_is_held_against_that_of_the_home_s_last_lead():
    events = [home_lead("first", 0, debt=50.0), home_lead("second", 300, debt=200.0, rooms=3.0)]
    first, second = state_at(events, [("first", 0), ("second", 300)])
    moment = START.timestamp() * 1e6
    row = feature_row(second, moment)
    assert row["history_home_ratio_debt"] == pytest.approx(np.log(4))
    assert "history_home_ratio_rooms" not in row
    assert "history_home_ratio_debt" not in feature_row(first, moment)


def test_leads_that_came_in_the_hour_and_the_day_before_are_counted():
    events = [event("lead.created", name, day) for name, day in (
        ("old", 0), ("morning", 1.5), ("just", 2 - HOUR / 2), ("now", 2), ("at once", 2),
    )]  # fmt: skip
    (state,) = state_at(events, [("now", 2)])
    assert (state["market_leads_count_1h"], state["market_leads_count_1d"]) == (1, 2)


@settings(max_examples=60, deadline=None)
@given(happenings, st.integers(0, 220))
def test_what_is_received_later_changes_no_earlier_row(happened, day):
    events = created() + [event(kind, lead, d, late=late) for lead, kind, d, late in happened]
    moment = START.timestamp() + (day + 0.5) * 86_400
    known = [each for each in events if each["received_at"].timestamp() <= moment]
    asked = [(lead, day + 0.5) for lead in ("a", "b", "c")]
    assert state_at(events, asked) == state_at(known, asked)


@settings(max_examples=40, deadline=None)
@given(happenings, st.randoms())
def test_the_order_in_which_events_are_stored_means_nothing(happened, chance):
    events = created() + [event(kind, lead, d, late=late) for lead, kind, d, late in happened]
    mixed = list(events)
    chance.shuffle(mixed)
    asked = [(lead, 230.0) for lead in ("a", "b", "c")]
    assert state_at(events, asked) == state_at(mixed, asked)


def test_a_lead_is_not_known_before_it_was_received():
    events = [event("lead.created", "a", 0, late=2)]
    assert state_at(events, [("a", 1)]) == []
    assert len(state_at(events, [("a", 2)])) == 1


def test_a_reply_counts_in_its_windows_from_the_moment_of_the_question():
    events = [event("lead.created", "a", 0), event("lead.replied", "a", 1)]
    (state,) = state_at(events, [("a", 5)])

    def counts(day: float) -> list[float]:
        at = (START.timestamp() + day * 86_400) * 1e6
        row = feature_row(state, at)
        return [row[f"engagement_replies_count_{days}d"] for days in (1, 7, 30, 90)]

    assert counts(1.5) == [1, 1, 1, 1]
    assert counts(5) == [0, 1, 1, 1]
    assert counts(40) == [0, 0, 0, 1]


def test_engagement_halves_in_two_weeks_and_recency_counts_days():
    events = [event("lead.created", "a", 0), event("lead.visited", "a", 0)]
    (state,) = state_at(events, [("a", 1)])
    now = START.timestamp() * 1e6
    fresh, old = feature_row(state, now), feature_row(state, now + 14 * 86_400e6)
    assert 0 < old["lead_engagement_score"] < fresh["lead_engagement_score"] < 100
    assert old["lead_recency"] == pytest.approx(14)
    assert old["recency_two_way_days"] != old["recency_two_way_days"]  # never: NaN


def test_a_source_is_judged_by_matured_leads_that_were_known_before():
    events = [event("lead.created", f"l{i}", i, says={"leadSource": "web"}) for i in range(10)]
    events += [event("lead.closed", f"l{i}", i + 20) for i in range(4)]
    events += [event("lead.created", "new", 200, says={"leadSource": "web"})]
    young, old = state_at(events, [("l9", 60), ("new", 200)])
    assert (young["lead_source_quality_n"], young["lead_close_rate_n"]) == (0, 0)
    assert old["lead_source_quality_n"] == 10
    assert old["lead_source_quality"] == pytest.approx(0.4)


def test_an_unseen_source_has_the_rate_of_all_leads():
    events = [event("lead.created", f"l{i}", i, says={"leadSource": "web"}) for i in range(10)]
    events += [
        event("lead.closed", "l1", 9),
        event("lead.created", "new", 200, says={"leadSource": "?"}),
    ]
    (state,) = state_at(events, [("new", 200)])
    assert state["lead_source_quality"] == pytest.approx(0.1)
    assert state["lead_source_quality_n"] == 0


def test_the_home_and_its_market_are_those_known_at_the_moment():
    rows = table([event("lead.created", "a", 100, says={"propertyId": "home 1"})])
    known = leads(rows)
    blank = dict.fromkeys(PROPERTY_FACTS.names)
    facts = [
        {**blank, "property_id": "home 1", "event_timestamp": moment, "created": moment, "area": area,
         "living_sqft": 900.0}
        for moment, area in ((START, "north"), (START.replace(month=6), "south"))
    ]  # fmt: skip
    trend = dict.fromkeys(MARKET_TREND.names)
    market = [
        {**trend, "area": "north", "event_timestamp": START.replace(month=month), "created": START,
         "neighborhood_appreciation_rate": rate}
        for month, rate in ((3, 0.03), (4, 0.04), (5, 0.05))
    ]  # fmt: skip
    around = Surroundings(
        property_facts=pa.Table.from_pylist(facts, PROPERTY_FACTS),
        market_trend=pa.Table.from_pylist(market, MARKET_TREND),
    )
    activity = Activity.of(rows.to_batches(), known["lead_id"].combine_chunks())

    def at(**when: int) -> dict:
        moments = pa.table({
            "lead_id": ["a"],
            "event_timestamp": pa.array([START.replace(**when)], pa.timestamp("us", "UTC")),
        })  # fmt: skip
        return lead_state(moments, known, activity, around).to_pylist()[0]

    assert at(month=4, day=15)["neighborhood_appreciation_rate"] == 0.04
    assert at(month=5, day=15)["lead_area"] == "north"
    assert at(month=6, day=15)["lead_area"] == "south"
    assert at(month=12)["neighborhood_appreciation_rate"] is None  # nothing of the last two months


def test_a_stored_moment_is_what_the_kernel_reads():
    (state,) = state_at(
        [
            event("lead.created", "a", 0),
            event("lead.contacted", "a", 2),
            event("lead.replied", "a", 1),
        ],
        [("a", 3)],
    )
    kinds, seconds = json.loads(state["lead_moments_json"])
    assert kinds == [1, 0]
    assert seconds == [START.timestamp() + 86_400, START.timestamp() + 2 * 86_400]
