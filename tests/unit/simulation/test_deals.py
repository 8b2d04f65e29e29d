from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from hki_ml.simulation import deals, investors
from hki_ml.simulation.market import events_table
from hki_ml.simulation.truth import truth
from tests.unit.simulation.town import town, world

LEADS = 6_000


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    rows = pl.DataFrame(pl.from_arrow(events_table(world(LEADS), town())))
    said = pl.col("properties_json")
    return rows.with_columns(
        deal=said.str.extract('"dealId":"([^"]+)"'),
        response=said.str.extract('"response":"([^"]+)"'),
        per_month=said.str.extract('"dealsPerMonth":([0-9.]+)').cast(pl.Float64),
        opted_out=said.str.contains('"optedOut":true'),
    )


def of_kind(events: pl.DataFrame, kind: str) -> pl.DataFrame:
    return events.filter(pl.col("event_type") == kind)


def test_no_investor_buys_more_in_a_month_than_they_can(events: pl.DataFrame) -> None:
    bought = of_kind(events, "deal.bought").with_columns(
        month=pl.col("occurred_at").dt.truncate("1mo")
    )
    count = bought.group_by("entity_id", "month").len()
    limit = (
        of_kind(events, "investor.criteria_set")
        .group_by("entity_id")
        .agg(pl.col("per_month").first().alias("limit"))
    )
    joined = count.join(limit, on="entity_id")
    assert joined.height == count.height > 100
    assert (joined["len"] <= joined["limit"]).all()
    assert (joined["len"] == joined["limit"]).any()


def test_a_deal_has_one_buyer_at_most_who_had_made_an_offer(events: pl.DataFrame) -> None:
    bought = of_kind(events, "deal.bought")
    assert bought["deal"].n_unique() == bought.height
    offers = of_kind(events, "deal.responded").filter(pl.col("response") == "offered")
    made = bought.join(offers, on=["deal", "entity_id"])
    assert made.height == bought.height
    assert (made["occurred_at_right"] < made["occurred_at"]).all()


def test_who_opted_out_or_is_not_known_yet_is_shown_nothing(events: pl.DataFrame) -> None:
    shown = of_kind(events, "deal.offered")
    out = events.filter(pl.col("opted_out")).select("entity_id", out="occurred_at")
    assert out.height > 10
    later = shown.join(out, on="entity_id").filter(pl.col("occurred_at") > pl.col("out"))
    assert later.filter(pl.col("occurred_at") - pl.col("out") > pl.duration(hours=1)).height == 0
    came = of_kind(events, "investor.registered").select("entity_id", came="occurred_at")
    joined = shown.join(came, on="entity_id")
    assert joined.height == shown.height
    assert (joined["occurred_at"] > joined["came"]).all()


def test_how_many_deals_are_worked_at_once_changes_nothing(
    events: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deals, "DEALS_AT_ONCE", 37)
    again = pl.DataFrame(pl.from_arrow(events_table(world(LEADS), town())))
    assert again.equals(events.select(again.columns))


def test_answers_come_as_often_as_the_truth_says(events: pl.DataFrame) -> None:
    known = truth(world(LEADS), town(), paths=1).responses.filter(pl.col("was_offered"))
    positive = of_kind(events, "deal.responded").filter(pl.col("response") != "declined")
    answered = set(zip(positive["deal"], positive["entity_id"], strict=True))
    pairs = zip(known["deal_id"], known["investor_id"], strict=True)
    hit = np.array([pair in answered for pair in pairs])
    # Answers that were not received by the end are missing: at most some of the last deals.
    p = known["p_response"].to_numpy()
    assert 0.2 < p.mean() < 0.5
    for group in np.array_split(np.argsort(p), 10):
        spread = np.sqrt((p[group] * (1 - p[group])).sum())
        assert abs(hit[group].sum() - p[group].sum()) / spread < 4.0


def test_how_keen_buyers_are_changes_nothing_of_leads(
    events: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deals, "AREA_WEIGHT", 0.3)
    monkeypatch.setattr(investors, "KEENNESS", (-3.0, 0.2))
    again = pl.DataFrame(pl.from_arrow(events_table(world(LEADS), town())))
    of_leads = pl.col("event_type").str.starts_with("lead.")
    assert again.filter(of_leads).equals(events.filter(of_leads).select(again.columns))
    assert not again.equals(events.select(again.columns))


def test_the_best_possible_ranking_of_those_shown_finds_some_seven_answers_in_ten(
    events: pl.DataFrame,
) -> None:
    known = truth(world(LEADS), town(), paths=1).responses.filter(pl.col("was_offered"))
    best = known.sort("deal_id", "p_response", descending=[False, True]).group_by("deal_id").head(5)
    assert 0.6 < best["p_response"].mean() < 0.8
