from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as laws
from hypothesis import strategies as st

from hki_ml.errors import BadInput
from hki_ml.events import decode, encode
from hki_ml.simulation import wire
from hki_ml.simulation.chance import children, seed_key, uniforms
from hki_ml.simulation.homes import Homes
from hki_ml.simulation.market import event_frames, events_table
from hki_ml.simulation.world import DEFECTS, Defects, World
from hki_ml.tables import EVENTS
from tests.unit.simulation.town import END, sales, town, world


def rows(of: World) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(events_table(of, town())))


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    return rows(world())


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(events: pl.DataFrame) -> None:
    again = events_table(world(), town())
    assert again.schema == EVENTS
    assert events.equals(pl.DataFrame(pl.from_arrow(again)))
    assert not events.equals(rows(world(seed=1)))


@laws(deadline=None, max_examples=8)
@given(days=st.integers(1, 400), hours=st.integers(0, 23))
def test_a_later_end_only_appends(days: int, hours: int) -> None:
    longer = world(400)
    shorter = replace(longer, ends_at=END - timedelta(days=days, hours=hours))
    all_of_it = rows(longer).drop("ingested_at")
    known = all_of_it.filter(pl.col("received_at") <= shorter.ends_at)
    assert 0 < known.height < all_of_it.height
    assert known.equals(rows(shorter).drop("ingested_at"))


def test_every_event_is_one_of_ours_as_encode_would_write_it() -> None:
    planted = Defects.named(DEFECTS, ends_at=END)
    kinds = set()
    for frame in event_frames(world(600, defects=planted), town()):
        for text in wire.on_the_wire(frame)["event"]:
            event = decode(text.encode())
            assert decode(encode(event)) == event
            kinds.add(event.TYPE)
    assert len(kinds) == 16


def test_an_id_says_its_moment_and_stands_once(events: pl.DataFrame) -> None:
    assert events["event_id"].n_unique() == events.height
    told = events["event_id"].str.replace("-", "").str.head(12).str.to_integer(base=16)
    assert (told == events["occurred_at"].dt.timestamp("ms")).all()


def test_nothing_is_known_before_it_occurs_or_after_the_end(events: pl.DataFrame) -> None:
    assert (events["received_at"] > events["occurred_at"]).all()
    assert events["received_at"].max() <= END
    assert events["received_at"].is_sorted()


def test_a_lead_does_nothing_before_it_comes_or_after_it_ends(events: pl.DataFrame) -> None:
    of_leads = events.filter(pl.col("event_type").str.starts_with("lead."))
    order = of_leads.sort("entity_id", "occurred_at", maintain_order=True)
    kinds = order.group_by("entity_id", maintain_order=True).agg(pl.col("event_type"))
    ends = ["lead.closed", "lead.lost"]
    for told in kinds["event_type"]:
        assert told[0] == "lead.created"
        assert told.is_in(ends).sum() == told.tail(1).is_in(ends).sum()


def test_almost_all_leads_end_within_a_year(events: pl.DataFrame) -> None:
    of_leads = events.filter(pl.col("event_type").str.starts_with("lead."))
    old = of_leads.group_by("entity_id").agg(
        pl.col("occurred_at").min().alias("came"),
        pl.col("event_type").is_in(["lead.closed", "lead.lost"]).any().alias("has_ended"),
    )
    old = old.filter(pl.col("came") < END - timedelta(days=365))
    assert old["has_ended"].mean() > 0.99


def test_a_fast_follow_up_comes_within_the_hour(events: pl.DataFrame) -> None:
    created = events.filter(pl.col("event_type") == "lead.created").select(
        "entity_id",
        came="occurred_at",
        arm=pl.col("properties_json").str.extract('follow_up_arm":"([a-z]+)"'),
    )
    first = (
        events.filter(pl.col("event_type") == "lead.contacted")
        .group_by("entity_id")
        .agg(pl.col("occurred_at").min().alias("called"))
    )
    joined = created.join(first, on="entity_id", how="left")
    quick = joined.with_columns(
        quick=((pl.col("called") - pl.col("came")) <= pl.duration(hours=1)).fill_null(value=False)
    )
    share = dict(quick.group_by("arm").agg(pl.col("quick").mean()).iter_rows())
    assert share["fast"] > 0.9
    assert share["usual"] == 0.0


def test_leads_are_about_homes_that_had_been_sold_before(events: pl.DataFrame) -> None:
    first = sales().group_by("property_id").agg(pl.col("sold_at").min())
    created = events.filter(pl.col("event_type") == "lead.created").with_columns(
        property_id=pl.col("properties_json").str.extract('propertyId":"([^"]+)"')
    )
    joined = created.join(first, on="property_id")
    assert joined.height == created.height
    assert (joined["sold_at"] <= joined["occurred_at"]).all()


def test_what_a_home_was_worth_hangs_on_no_later_sale() -> None:
    every = sales()
    day = np.full(50, 16_500)
    early = every.filter(pl.col("sold_at").dt.epoch("d") < 16_500)
    known, later = Homes.of(early), Homes.of(every)
    home = known.chosen(np.linspace(0, 0.999, 50), day)
    same = later.chosen(np.linspace(0, 0.999, 50), day)
    assert (known.ids[home] == later.ids[same]).all()
    assert np.allclose(known.worth(home, day), later.worth(same, day), rtol=1e-12)


def test_another_home_changes_the_choice_of_few_leads() -> None:
    first = sales()["property_id"][0]
    fewer = Homes.of(sales().filter(pl.col("property_id") != first))
    draw, day = np.linspace(0, 0.9999, 2_000), np.full(2_000, 17_000)
    with_it, without = town().ids[town().chosen(draw, day)], fewer.ids[fewer.chosen(draw, day)]
    assert ((with_it != without) == (with_it == first)).all()
    assert (with_it == first).mean() < 0.03


def test_a_word_may_hold_any_sign() -> None:
    told = wire.word(pl.Series(['a "b"', "c\\d", "e\nf", None, "plain"]))
    assert [None if text is None else json.loads(text) for text in told] == [
        'a "b"', "c\\d", "e\nf", None, "plain",
    ]  # fmt: skip


def test_a_home_is_worth_about_what_it_would_sell_for() -> None:
    homes = town()
    day = np.full(len(homes.ids), 17_150)
    sqft = homes.living_sqft
    expected = 300.0 * sqft * np.exp(0.08 * (17_150 - 14_610) / 365)
    error = np.abs(np.log(homes.worth(np.arange(len(sqft)), day) / expected))
    assert np.median(error) < 0.15


def test_without_any_sale_leads_are_about_no_known_home() -> None:
    none = Homes.of(sales().clear())
    table = events_table(world(200), none).to_pylist()
    created = [each for each in table if each["event_type"] == "lead.created"]
    assert created
    assert not any("propertyId" in each["properties_json"] for each in table)


def test_draws_are_even() -> None:
    drawn = uniforms(children(seed_key(3, 1), np.arange(100_000)), 5)
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert ((counts - 5_000) ** 2 / 5_000).sum() < 50  # chi-square with 19 degrees: p < 1e-4


def test_a_world_without_a_span_or_of_an_unknown_defect_is_refused() -> None:
    with pytest.raises(BadInput, match="start before the end"):
        World(0, 10.0, END, END)
    with pytest.raises(BadInput, match="with a zone"):
        World(0, 10.0, END.replace(tzinfo=None), END)
    with pytest.raises(BadInput, match="leads a day"):
        World(0, 0.0, END - timedelta(days=9), END)
    with pytest.raises(BadInput, match="'leek'"):
        Defects.named(("leek",), ends_at=END)
