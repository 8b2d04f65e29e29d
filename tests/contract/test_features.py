"""Features online are what Feast itself says they are, plus what Feast does not say: age and absence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from hki_ml.adapters.features_feast import PROJECT, FeastStore, _quiet
from hki_ml.adapters.features_online import OnlineReader, RedisBytes, SqliteBytes, View
from hki_ml.errors import NotFound, Unavailable
from hki_ml.settings import Settings
from hki_ml.tables import FACT_CATEGORIES, FACT_NUMBERS, MARKET_TREND, PROPERTY_FACTS
from hki_ml.wiring import connect
from tests import servers
from tests.conftest import ROOT, free_port

NOW = datetime(2016, 6, 1, tzinfo=UTC)
LONG_AGO = datetime(2012, 1, 1, tzinfo=UTC)


def facts(rows: list[tuple[str, datetime, dict[str, object]]], *, created: datetime) -> pa.Table:
    blank = dict.fromkeys((*FACT_CATEGORIES, *FACT_NUMBERS, "extra_json"))
    made = [
        {**blank, "property_id": home, "event_timestamp": at, "created": created, **known}
        for home, at, known in rows
    ]
    return pa.Table.from_pylist(made, schema=PROPERTY_FACTS)


HOMES = facts(
    [
        ("a", LONG_AGO, {"living_sqft": 1500.0, "area": "6"}),
        ("a", NOW - timedelta(days=30), {"living_sqft": 1800.0, "area": "6", "extra_json": "{}"}),
        ("b", NOW - timedelta(days=400), {"bedrooms": 3.0, "area": "naïve ✓"}),
    ],
    created=NOW,
)
TREND = pa.Table.from_pylist(
    [
        {
            "area": area,
            "event_timestamp": at,
            "created": NOW,
            "neighborhood_appreciation_rate": 0.05,
            "market_price_per_sqft_usd": 300.0,
            "market_sales_count_365d": 40,
            "market_sales_count_90d": -1,
        }
        for area, at in (("6", NOW - timedelta(days=1)), ("7", NOW - timedelta(days=90)))
    ],
    schema=MARKET_TREND,
)


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.redis(tmp_path_factory.mktemp("redis")) as address:
        yield address


@pytest.fixture(scope="module")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.s3(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="module", params=["embedded", "redis", "s3", "postgres"])
def store(request, tmp_path_factory) -> Iterator[FeastStore]:
    sections: dict[str, object] = {"features": {"repository": ROOT / "features"}}
    if request.param == "redis":
        sections["features"] |= {"redis_url": request.getfixturevalue("redis_address")}
    if request.param == "postgres":
        sections["features"] |= {"registry_url": request.getfixturevalue("postgres_url")}
    if request.param == "s3":
        sections["lake"] = {
            "url": "s3://lake/features",
            "s3_endpoint": request.getfixturevalue("s3_url"),
            "s3_access_key": "test",
            "s3_secret_key": "testtest",
        }
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, **sections, _env_file=None)
    with pytest.MonkeyPatch.context() as patch:
        # What the declarations in features/ read.
        patch.setenv("HKI_HOME", str(home))
        if settings.lake.url is not None:
            patch.setenv("HKI_LAKE__URL", settings.lake.url)
        backend = connect(settings)
        backend.lake.append("property_facts", HOMES)
        backend.lake.append("market_trend", TREND)
        backend.features.apply()
        backend.features.materialize(NOW + timedelta(seconds=1))
        yield backend.features
        for name in ("write_engine", "read_engine"):  # Feast leaves its SQL connections open
            engine = getattr(backend.features._feast().registry, name, None)
            if engine is not None:
                engine.dispose()


def reader(store: FeastStore) -> OnlineReader:
    return OnlineReader(store._services(), store._online_bytes())


def test_what_is_read_directly_is_what_feast_serves(store):
    ids = ["a", "b", "nobody"]
    with _quiet():
        feast = store._feast()
        theirs = feast.get_online_features(
            features=feast.get_feature_service("valuation"),
            entity_rows=[{"property_id": entity} for entity in ids],
        ).to_dict()
    ours = reader(store).read("valuation", ids, now=NOW)
    for i, row in enumerate(ours):
        for feature in (*FACT_CATEGORIES, *FACT_NUMBERS, "extra_json"):
            assert row.values.get(feature) == theirs[feature][i], (ids[i], feature)
    assert ours[0].values["living_sqft"] == 1800.0
    assert ours[1].values["area"] == "naïve ✓"


def test_an_unknown_home_is_missing_everything_and_was_never_seen(store):
    (row,) = reader(store).read("valuation", ["nobody"], now=NOW)
    assert row.seen_at is None
    assert set(row.missing) == {*FACT_CATEGORIES, *FACT_NUMBERS, "extra_json"}
    assert row.values == {}


def test_the_age_of_a_row_is_when_it_was_true(store):
    (row,) = reader(store).read("valuation", ["a"], now=NOW)
    assert row.seen_at == NOW - timedelta(days=30)


def test_a_value_past_its_time_to_live_is_missing_where_feast_would_serve_it(store):
    fresh, stale = reader(store).read("market", ["6", "7"], now=NOW)
    assert fresh.values["market_sales_count_90d"] == -1
    assert stale.values == {}
    assert "neighborhood_appreciation_rate" in stale.missing


def test_the_training_frame_keeps_every_row_in_order_as_of_its_moment(store):
    spine = pd.DataFrame(
        {
            "property_id": ["b", "nobody", "a", "a", "a"],
            "event_timestamp": [
                NOW,
                NOW,
                NOW,
                LONG_AGO,
                LONG_AGO - timedelta(days=1),
            ],
            "price_usd": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )
    frame = store.training_frame("valuation", spine)
    assert frame["price_usd"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    known = frame["living_sqft"].tolist()
    assert known[2:4] == [1800.0, 1500.0]
    assert pd.isna(known[4])
    assert pd.isna(known[1])


def test_applying_and_materializing_again_changes_nothing(store):
    before = reader(store).read("valuation", ["a", "b"], now=NOW)
    store.apply()
    assert store.materialize(NOW + timedelta(seconds=2)) == 0
    assert reader(store).read("valuation", ["a", "b"], now=NOW) == before


def test_a_row_that_reaches_the_lake_late_still_reaches_the_online_store(store):
    late = facts([("late", LONG_AGO, {"living_sqft": 900.0})], created=NOW + timedelta(minutes=1))
    store._lake.append("property_facts", late)
    assert store.materialize(NOW + timedelta(minutes=2)) == 1
    (row,) = reader(store).read("valuation", ["late"], now=NOW)
    assert row.values["living_sqft"] == 900.0


def test_a_correction_at_the_same_moment_reaches_the_online_store(store):
    at = NOW - timedelta(days=400)
    corrected = [("b", at, {"bedrooms": 4.0, "area": "naïve ✓"})]
    store._lake.append("property_facts", facts(corrected, created=NOW + timedelta(minutes=3)))
    assert store.materialize(NOW + timedelta(minutes=4)) == 1
    (row,) = reader(store).read("valuation", ["b"], now=NOW)
    assert (row.values["bedrooms"], row.seen_at) == (4.0, at)


def test_an_unknown_service_names_those_there_are(store):
    with pytest.raises(NotFound, match=r"market, property_value.*'lead'"):
        reader(store).read("lead", ["a"], now=NOW)


@pytest.mark.parametrize("dead", ["sqlite", "redis"])
def test_a_store_that_is_not_there_is_unavailable_at_once(dead, tmp_path: Path):
    view = View("property_facts", "property_id", ("area",), timedelta(0))
    at = SqliteBytes(tmp_path / "no.db", PROJECT)
    bytes_ = at if dead == "sqlite" else RedisBytes(f"127.0.0.1:{free_port()}", PROJECT)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        bytes_.fetch(view, ["a"])
    assert time.monotonic() - started < 1
