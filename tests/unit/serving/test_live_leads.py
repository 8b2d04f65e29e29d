"""A lead as of now is what the next materialization says of it, whatever came in whichever order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.errors import Unavailable
from hki_ml.events import AnyEvent, encode
from hki_ml.identity import event_id
from hki_ml.learning.lead_clock import KINDS
from hki_ml.ports import OnlineRow
from hki_ml.serving.entities import Entity, OnlineEntities
from hki_ml.serving.leads import LeadDesk
from hki_ml.serving.live_leads import LiveLeads, state_of
from hki_ml.serving.problem import ProblemError
from hki_ml.transforms.events import event_of
from hki_ml.transforms.live_lead import after
from tests.unit.transforms.lead_events import START, event, state_at

LEAD = "a"
SAME = ("lead_created_at_us", "lead_source", "lead_outcome")
ENDED = ("lead.closed", "lead.lost")
OF_LEADS = ("lead.created", *KINDS, *ENDED)
CUT, NOW = 10, 20

happened = st.lists(
    st.tuples(st.sampled_from(OF_LEADS), st.integers(0, 8), st.sampled_from("xyz")),
    max_size=30,
)


def told(kind: str, received: int, before: int, content: str) -> dict:
    """Return a row of the lake: received that many days after the start, occurred some days before."""
    row = event(kind, LEAD, received - before, late=before)
    made = event_id(row["occurred_at"], kind, str(received), content)
    says = {"leadSource": content} if kind == "lead.created" else {}
    return row | {"event_id": str(made), "properties_json": json.dumps(says)}


def rows_of(sequence: Sequence[tuple], *, first: int) -> list[dict]:
    """Return the rows of a sequence, each once, received in its order from ``first`` on, a few together."""
    rows = [told(kind, first + i // 4, before, c) for i, (kind, before, c) in enumerate(sequence)]
    return list({row["event_id"]: row for row in rows}.values())


def activity_of(state: dict) -> tuple:
    moments = state["lead_moments_json"]
    return (*(state[name] for name in SAME), json.loads(moments) if moments else None)


def stored_by(rows: Sequence[dict], day: float) -> Entity | None:
    states = state_at(rows, [(LEAD, day)])
    if not states:
        return None
    seen_at = START + timedelta(days=day)
    return Entity(state_of(OnlineRow(states[0], (), seen_at)), seen_at, seen_at)


def nothing() -> OnlineEntities:
    raise AssertionError("the store is not to be read")


def live_leads(*taken: AnyEvent, most: int = 200_000) -> LiveLeads:
    leads = LiveLeads(OnlineEntities(nothing, "lead_scoring", state_of), most=most)
    for each in taken:
        leads.take(each)
    return leads


@settings(max_examples=60, deadline=None)
@given(happened, happened)
def test_live_events_give_the_state_that_the_next_materialization_gives(before, since):
    past = [told("lead.created", 0, 0, "x"), *rows_of(before, first=0)]
    news = rows_of(since, first=CUT + 1)
    leads = live_leads(*(event_of(row) for row in news))
    lead = leads.lead(LEAD, stored_by(past, CUT))
    (expected,) = state_at([*past, *news], [(LEAD, NOW)])
    assert activity_of(lead.state) == activity_of(expected)


@settings(max_examples=60, deadline=None)
@given(happened, st.randoms())
def test_a_lead_that_only_live_events_tell_of_is_as_the_next_materialization_has_it(since, chance):
    news = [told("lead.created", 1, 0, "x"), *rows_of(since, first=1)]
    mixed = [event_of(row) for row in news]
    chance.shuffle(mixed)  # events of one request are taken in any order
    (expected,) = state_at(news, [(LEAD, NOW)])
    assert activity_of(live_leads(*mixed).lead(LEAD, None).state) == activity_of(expected)


@settings(max_examples=40, deadline=None)
@given(happened)
def test_an_event_that_the_state_holds_already_changes_nothing_when_it_is_sent_again(before):
    past = [told("lead.created", 0, 0, "x"), *rows_of(before, first=0)]
    again = [event_of(row | {"received_at": START + timedelta(days=CUT + 1)}) for row in past]
    lead = live_leads(*again).lead(LEAD, stored_by(past, CUT))
    (expected,) = state_at(past, [(LEAD, NOW)])
    assert activity_of(lead.state) == activity_of(expected)
    assert not any(str(each.event_id) in lead.live_events for each in again if each.TYPE in KINDS)


def test_a_robot_makes_neither_the_state_nor_the_list_of_its_events_grow():
    rows = [told("lead.created", 0, 0, "x")] + [
        told("lead.visited", 1, 0, str(i)) | {"received_at": START + timedelta(days=1, seconds=i),
                                              "occurred_at": START + timedelta(days=1, seconds=i)}
        for i in range(1_000)
    ]  # fmt: skip
    lead = live_leads(*(event_of(row) for row in rows)).lead(LEAD, None)
    kinds, times = json.loads(lead.state["lead_moments_json"])
    assert len(kinds) == 200
    assert times[-1] == (START + timedelta(days=1, seconds=999)).timestamp()
    assert len(lead.live_events) == 201


def test_events_of_leads_that_nobody_asks_for_are_let_go_once_they_are_materialized():
    def of(lead: str, day: float) -> AnyEvent:
        row = event("lead.created", lead, day)
        return event_of(row | {"event_id": str(event_id(row["occurred_at"], lead))})

    leads = live_leads(*(of(f"old {i}", 1) for i in range(50)), of("young", 3), most=60)
    leads.lead("another", Entity({}, START + timedelta(days=2), START))
    for i in range(10):
        leads.take(of(f"new {i}", 3))
    assert set(leads.changed()) == {"young", *(f"new {i}" for i in range(10))}


def test_what_is_remembered_is_bounded_even_if_nothing_is_ever_materialized():
    rows = [told("lead.visited", 1, 0, str(i)) for i in range(500)]
    leads = live_leads(*(event_of(row) for row in rows), most=100)
    assert len(leads.accepted(LEAD)) <= 100


class Away:
    """A feature store that does not answer."""

    def online(self, _service, _ids):
        raise Unavailable("away")


def find(*taken: AnyEvent):
    leads = LiveLeads(OnlineEntities(Away, "lead_scoring", state_of))
    for each in taken:
        leads.take(each)
    desk = LeadDesk({}, leads, None, lambda: START, str)
    return asyncio.run(desk.find(LEAD, START))


def test_while_the_store_is_away_a_lead_that_it_may_know_is_not_said_to_be_unknown():
    with pytest.raises(Unavailable):
        find(event_of(told("lead.replied", 1, 0, "x")))


def test_while_the_store_is_away_a_lead_that_came_lately_is_answered_and_it_is_told():
    lead = find(event_of(told("lead.created", 1, 0, "x")))
    assert lead.is_stale
    assert lead.state["lead_source"] == "x"


def test_an_unknown_lead_is_unknown():
    leads = LiveLeads(OnlineEntities(Empty, "lead_scoring", state_of))
    desk = LeadDesk({}, leads, None, lambda: START, str)
    with pytest.raises(ProblemError):
        asyncio.run(desk.find(LEAD, START))


class Empty:
    """A feature store that knows nobody."""

    def online(self, _service, ids):
        return [OnlineRow({}, (), None) for _ in ids]


def test_a_row_of_the_lake_is_the_event_that_it_was():
    row = told("lead.created", 1, 1, "x")
    made = event_of(row)
    assert made.event_id == UUID(row["event_id"])
    assert json.loads(encode(made))["properties"] == {"leadSource": "x"}
    assert after(None, made)["lead_source"] == "x"
