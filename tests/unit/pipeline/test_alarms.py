"""What is one incident and what is another, and when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from hki_ml.adapters.lake import DeltaLake
from hki_ml.pipeline.alarms import EVERY, Span, close_mended, close_settled, incident, written
from hki_ml.pipeline.incidents import close, hand_over, latest

LEARNED = datetime(2026, 1, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
ROOM = "valuation"


@pytest.fixture
def lake(tmp_path) -> DeltaLake:
    return DeltaLake(tmp_path)


def found(kind: str, subject: str, week: int, *, model: str = ROOM):
    begin = LEARNED + week * WEEK
    span = Span(model, "1", begin, begin + WEEK)
    return incident(span, kind, subject, f"{subject} moved", begin, begin + WEEK)


def write(lake, *incidents):
    return [
        each.subject
        for each in written(SimpleNamespace(lake=lake), incidents, {ROOM: LEARNED})  # type: ignore[arg-type]
    ]


def look(kind: str, subject: str, week: int, *, alarm: bool | None) -> dict:
    end = LEARNED + (week + 1) * WEEK
    return {"kind": kind, "subject": subject, "alarm": alarm, "window_end": end}


def states(lake) -> dict[str, str]:
    return {each.subject: each.state for each in latest(lake).values()}


def test_a_drift_is_one_incident_until_somebody_has_taken_it_over(lake):
    assert write(lake, found("feature_drift", "area", 0)) == ["area"]
    assert write(lake, found("feature_drift", "area", 1), found("feature_drift", "sqft", 1)) == []
    (open_one,) = latest(lake).values()
    hand_over(lake, open_one, at=LEARNED + 2 * WEEK)
    assert write(lake, found("feature_drift", "area", 2)) == []  # it goes on
    assert write(lake, found("feature_drift", "sqft", 2)) == ["sqft"]  # another began


def test_what_is_broken_is_one_incident_each(lake):
    first, second = found("data_quality", "missing:area", 0), found("data_quality", "units:lot", 1)
    assert write(lake, first, second) == ["missing:area", "units:lot"]
    assert write(lake, found("data_quality", "units:lot", 2)) == []


def test_groups_of_two_attributes_are_two_incidents(lake):
    pair = [found("fairness", f"impact ratio, {name}", 0) for name in ("race", "sex")]
    assert len(write(lake, *pair)) == 2


def test_an_incident_is_over_when_a_later_look_no_longer_finds_it(lake):
    write(lake, found("feature_drift", "area", 0))
    close_settled(lake, ROOM, [look("feature_drift", "area", 0, alarm=False)], LEARNED + WEEK)
    close_settled(lake, ROOM, [look("feature_drift", "area", 1, alarm=None)], LEARNED + 2 * WEEK)
    close_settled(lake, "risk", [look("feature_drift", "area", 1, alarm=False)], LEARNED + WEEK)
    close_settled(lake, ROOM, [look("feature_drift", "sqft", 1, alarm=False)], LEARNED + WEEK)
    assert states(lake) == {"area": "open"}  # the same window, nothing seen, others: no proof
    late = [look("feature_drift", "area", week, alarm=week == 1) for week in (1, 2)]
    close_settled(lake, ROOM, late, LEARNED + 3 * WEEK)
    assert states(lake) == {"area": "closed"}
    assert write(lake, found("feature_drift", "area", 4)) == ["area"]  # it came again


def test_what_was_handed_over_is_closed_as_well_and_stays_so(lake):
    write(lake, found("performance", "AUC", 0))
    (each,) = latest(lake).values()
    hand_over(lake, each, at=LEARNED + WEEK)
    close_settled(lake, ROOM, [look("performance", "AUC", 2, alarm=False)], LEARNED + 3 * WEEK)
    assert states(lake) == {"AUC": "closed"}
    close(lake, replace(each, state="open"), at=LEARNED)  # whatever comes late
    assert states(lake) == {"AUC": "closed"}


def test_broken_data_are_mended_when_a_day_later_they_are_not_found(lake):
    write(
        lake,
        found("data_quality", "crm", 0, model=EVERY),
        found("data_quality", "web", 0, model=EVERY),
    )
    close_mended(lake, LEARNED, (), LEARNED + WEEK)
    assert set(states(lake).values()) == {"open"}  # the look was of the same days
    close_mended(lake, LEARNED + WEEK, ["web"], LEARNED + 2 * WEEK)
    assert states(lake) == {"crm": "closed", "web": "open"}
