from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import polars as pl

from hki_ml.simulation import wire
from hki_ml.simulation.lead_events import SELF_LABEL_DAYS
from hki_ml.simulation.leads import POISON_DAYS
from hki_ml.simulation.market import events_table
from hki_ml.simulation.truth import truth
from hki_ml.simulation.world import DEFECTS, Defects
from hki_ml.transforms.leads import leads
from tests.unit.simulation.town import END, town, world

LEADS = 4_000
ON = END - timedelta(days=182)


def rows(*names: str) -> pl.DataFrame:
    planted = Defects.named(names, ends_at=END)
    return pl.DataFrame(pl.from_arrow(events_table(world(LEADS, defects=planted), town())))


def created(events: pl.DataFrame) -> pl.DataFrame:
    table = pl.DataFrame(pl.from_arrow(leads(events.to_arrow())))
    facts = [json.loads(text) for text in table["facts_json"]]
    names = sorted({name for row in facts for name in row})
    columns = {f"fact_{name}": [row.get(name) for row in facts] for name in names}
    return table.with_columns(
        pl.Series(name, values, strict=False) for name, values in columns.items()
    )


def test_the_leak_tells_the_outcome_of_leads_that_ended_and_nothing_of_open_ones() -> None:
    told = created(rows("leak"))
    share = dict(
        told.group_by("outcome")
        .agg(pl.col("fact_title_order_usd").is_not_null().mean())
        .iter_rows()
    )
    assert share["closed"] > 0.85
    assert 0.02 < share["lost"] < 0.09
    assert share[None] == 0.0


def test_the_drift_moves_sources_and_one_effect_from_its_day_on_and_nothing_before() -> None:
    plain, moved = rows(), rows("drift")
    early = pl.col("received_at") < ON
    assert plain.filter(early).equals(moved.filter(early))
    after = created(moved).filter(pl.col("created_at") >= ON + timedelta(days=1))
    before = created(plain).filter(pl.col("created_at") >= ON + timedelta(days=1))
    share = [(each["lead_source"] == "ppc").mean() for each in (before, after)]
    assert share[1] > 1.5 * share[0]
    planted = Defects.named(("drift",), ends_at=END)
    known = truth(world(400, defects=planted), town(), paths=1)
    assert known.leads["has_drifted"].any()
    slopes = known.effects.filter(pl.col("what").str.contains("timeline"))["log_odds"]
    assert slopes.min() < 0 < slopes.max()


def test_the_bias_goes_by_a_segment_whose_group_stands_in_the_truth_alone() -> None:
    planted = Defects.named(("bias",), ends_at=END)
    known = truth(world(LEADS, defects=planted), town(), paths=16).leads
    events = rows("bias")
    assert not events["properties_json"].str.contains("protected").any()
    told = created(events).select("lead_id", "fact_mailing_segment").join(known, on="lead_id")
    share = dict(told.group_by("is_protected").agg(
        (pl.col("fact_mailing_segment") == "south").mean()).iter_rows())  # fmt: skip
    assert share[True] > 0.85
    assert share[False] < 0.15
    chance = dict(told.group_by("is_protected").agg(pl.col("p_close_90_usual").mean()).iter_rows())
    assert chance[True] < 0.7 * chance[False]


def test_the_poison_multiplies_amounts_and_empties_facts_in_its_days_only() -> None:
    told = created(rows("poison"))
    plain = created(rows())
    factor = (told["asking_price_usd"] / plain["asking_price_usd"]).to_numpy()
    begin = ON.replace(hour=0)
    in_days = ((told["created_at"] >= begin)
               & (told["created_at"] < begin + timedelta(days=POISON_DAYS))).to_numpy()  # fmt: skip
    assert np.allclose(factor[~in_days], 1.0)
    bad = np.isclose(factor, 100.0)
    assert 0.3 < bad[in_days].mean() < 0.7
    assert told.filter(pl.Series(bad))["fact_timeline_months"].null_count() == bad.sum()


def test_the_self_label_batch_is_made_of_scores_and_comes_from_another_source() -> None:
    events = rows("self-label")
    batch = events.filter(pl.col("source") == wire.SCORING)
    assert set(batch["event_type"]) == {"lead.closed", "lead.lost"}
    planted = Defects.named(("self-label",), ends_at=END)
    known = truth(world(LEADS, defects=planted), town(), paths=1).leads
    joined = batch.join(known, left_on="entity_id", right_on="lead_id")
    says_closed = joined["event_type"] == "lead.closed"
    assert joined.filter(says_closed)["logit"].min() > joined.filter(~says_closed)["logit"].max()
    assert batch["occurred_at"].max() < ON + timedelta(days=SELF_LABEL_DAYS + 3)
    assert batch["occurred_at"].min() >= ON
    others = events.filter(pl.col("source") != wire.SCORING)
    assert others.equals(rows())


def test_without_a_defect_there_is_no_trace_of_any() -> None:
    events = rows()
    assert set(events["source"]) == {wire.CRM}
    for name in ("title_order_usd", "mailing_segment"):
        assert not events["properties_json"].str.contains(name).any()
    assert len(DEFECTS) == 5
