from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hki_ml.errors import MappingError, NotEnoughData
from hki_ml.mapping.deals import load_deal_mapping
from hki_ml.models.investor_matching import room
from hki_ml.models.investor_matching.award_features import content, round_of
from tests.conftest import ROOT


def awards(years: int = 6, a_year: int = 240, seed: int = 0) -> pd.DataFrame:
    """Six investors, each of a price range of its own that mostly says who takes what."""
    chance = np.random.default_rng(seed)
    n = years * a_year
    price = np.exp(10 + 2 * chance.random(n))
    taker = np.clip(3 * (np.log(price) - 10) + 0.5 * chance.normal(size=n), 0, 5.9).astype(int)
    year = np.repeat(np.arange(years), a_year)
    return pd.DataFrame({
        "deal_id": [f"d{i}" for i in range(n)],
        "investor_id": [f"i{i}" for i in taker],
        "property_id": [f"p{i % 700}" for i in range(n)],
        "event_timestamp": [pd.Timestamp(2010 + y, 5, 15, tz="UTC") for y in year],
        "place": [f"n{i % 9}" for i in range(n)],
        "cluster": [f"b{i % 60}" for i in range(n)],
        "fact_price_usd": price,
        "fact_lien_usd": 100 + 900 * chance.random(n),
        "fact_latitude": 39 + 0.1 * chance.random(n),
        "fact_longitude": -76 + 0.1 * chance.random(n),
        "fewest": 10,
        "years": 3,
    })  # fmt: skip


def test_who_takes_what_is_found_and_each_part_stands_beside_it():
    found = room.backtest(
        awards(), cutoff=pd.Timestamp(2015, 1, 1, tz="UTC"), until=None, seed=0, threads=1
    )
    said = found.as_json()["side by side"]
    assert set(said) == {"ours", "popularity", "factors alone", "content alone", "rules"}
    assert said["ours"]["HR@1"]["value"] > 0.5 > said["popularity"]["HR@1"]["value"]
    assert said["ours"]["P@5 ceiling"]["value"] == pytest.approx(0.2)
    assert said["ours"]["MRR"]["low"] < said["ours"]["MRR"]["value"] < said["ours"]["MRR"]["high"]


def test_what_happens_in_a_round_changes_none_of_its_features():
    rows = awards()
    last = rows["event_timestamp"].max()
    history, now = rows[rows["event_timestamp"] < last], rows[rows["event_timestamp"] == last]
    mixed = now.assign(investor_id=now["investor_id"].sample(frac=1, random_state=1).to_numpy())
    one, other = (round_of(history, each, seed=0, threads=1) for each in (now, mixed))
    np.testing.assert_array_equal(one.table, other.table)
    np.testing.assert_array_equal(one.rules, other.rules)
    assert not np.array_equal(one.taker, other.taker)


def test_amounts_come_as_logs_and_the_place_last():
    found = content(awards(years=1, a_year=4))
    assert found.shape == (4, 5)
    assert (found[:, -2] > 38).all()


def test_without_earlier_rounds_there_is_nothing_to_learn_from():
    with pytest.raises(NotEnoughData):
        room.backtest(
            awards(years=2),
            cutoff=pd.Timestamp(2010, 1, 1, tz="UTC"),
            until=None,
            seed=0,
            threads=1,
        )


def test_the_mapping_reads_nothing_that_is_known_only_after_the_auction():
    mapping = load_deal_mapping(ROOT / "mappings" / "baltimore_matching.toml")
    assert mapping is not None
    read = set(mapping.as_leads().columns())
    after = {"winning_bid", "bid_premium", "amount_due", "num_bids", "num_ties", "removed_at",
             "outcome", "bidder_id", "bidder_state", "bidder_is_business"}  # fmt: skip
    assert not read & after
    assert load_deal_mapping(ROOT / "mappings" / "baltimore.toml") is None


def test_a_mapping_of_deals_says_what_it_does_not_understand(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text('event = "deal"\nsource = "x"\ninvestor = "who"\n[id]\ndeal = ["id"]\n')
    with pytest.raises(MappingError, match="sold"):
        load_deal_mapping(path)
