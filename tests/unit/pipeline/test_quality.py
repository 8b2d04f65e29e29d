"""A broken day is told by what broke it, a feed that stopped by its name and day; ordinary days are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import polars as pl
import pytest

from hki_ml.pipeline.quality import data_quality
from hki_ml.settings import Settings
from hki_ml.simulation.market import events_table
from hki_ml.wiring import Backend, connect
from tests.unit.simulation.town import END, town, world

NOW = END - timedelta(days=60)
DAY = timedelta(days=1)
STOPPED = NOW - 9 * DAY
Row = dict[str, Any]
Fill = Callable[[pl.DataFrame], Backend]


@cache
def market() -> pl.DataFrame:
    """Return events of nine weeks, ingested as they came, with enough leads a day to judge a day."""
    made = pl.DataFrame(pl.from_arrow(events_table(world(200_000), town())))
    kept = made.filter(pl.col("received_at").is_between(NOW - 63 * DAY, NOW))
    return kept.with_columns(ingested_at=pl.col("received_at"))


@pytest.fixture
def filled(settings: Settings) -> Fill:
    def fill(rows: pl.DataFrame) -> Backend:
        backend = connect(settings)
        backend.lake.append("events", rows.to_arrow())
        return backend

    return fill


def changed(rows: pl.DataFrame, how: Callable[[int, Row], None]) -> pl.DataFrame:
    """Return the events with what the leads of the last day say of themselves changed in place."""
    is_it = (pl.col("event_type") == "lead.created") & (pl.col("ingested_at") > NOW - DAY)
    told, made = rows.filter(is_it), []
    for number, text in enumerate(told["properties_json"]):
        properties = json.loads(text)
        how(number, properties)
        made.append(json.dumps(properties))
    return pl.concat([rows.filter(~is_it), told.with_columns(pl.Series("properties_json", made))])


def test_ordinary_days_have_no_problem_and_say_what_they_could_not_judge(filled: Fill) -> None:
    backend = filled(market())
    for back in range(5):
        assert data_quality(backend, now=NOW - back * DAY).problems == ()
    assert "too few rows to say" in data_quality(backend, now=NOW).markdown()


def forget(number: int, properties: Row) -> None:
    if number % 3:
        properties["facts"].pop("occupancy", None)


def hundredfold(number: int, properties: Row) -> None:
    if number % 2:
        properties["askingPriceUsd"] *= 100


@pytest.mark.parametrize(
    ("how", "words"),
    [(forget, "missing:occupancy"), (hundredfold, "askingPriceUsd jumped by x 100")],
)
def test_what_is_lost_or_in_another_unit_is_named(
    filled: Fill, how: Callable[[int, Row], None], words: str
) -> None:
    found = data_quality(filled(changed(market(), how)), now=NOW)
    assert any(words in each for each in found.problems), found.problems


def test_a_day_that_a_source_did_not_send_is_named_and_is_old_news_after_a_week(
    filled: Fill,
) -> None:
    gone = (NOW - 2 * DAY).date()
    is_it = (pl.col("event_type") == "lead.visited") & (pl.col("occurred_at").dt.date() == gone)
    backend = filled(market().filter(~is_it))
    (problem,) = data_quality(backend, now=NOW).problems
    assert problem == f"simulated-crm:lead.visited sent nothing on {gone}"
    assert data_quality(backend, now=NOW + 10 * DAY).checks


def test_the_end_of_a_file_is_no_feed_that_stopped(filled: Fill) -> None:
    is_gone = (pl.col("event_type") == "lead.replied") & (pl.col("occurred_at") >= STOPPED)
    rows = market().filter(~is_gone).with_columns(received_at=pl.col("occurred_at"))
    assert not any("stopped" in each for each in data_quality(filled(rows), now=NOW).problems)


@pytest.mark.parametrize("kind", ["lead.replied", "lead.contacted"])
def test_a_kind_of_event_that_a_source_stopped_sending_is_named_with_its_day(
    filled: Fill, kind: str
) -> None:
    is_gone = (pl.col("event_type") == kind) & (pl.col("occurred_at") >= STOPPED)
    found = data_quality(filled(market().filter(~is_gone)), now=NOW)
    told = f"source simulated-crm stopped sending {kind} on {STOPPED:%Y-%m-%d}"
    (problem,) = found.found  # one fault is told once
    assert problem.reason.startswith(told)
    assert problem.since == STOPPED
    assert found.broken
