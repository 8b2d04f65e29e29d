from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from hki_ml.errors import Unavailable
from hki_ml.ports import OnlineRow
from hki_ml.serving.homes import HomeFacts, HomeIndex

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SEEN = NOW - timedelta(hours=3)


class Store:
    def __init__(self) -> None:
        self.reads: list[str] = []
        self.silent = False

    def online(self, _service, entity_ids):
        if self.silent:
            raise Unavailable("silence")
        self.reads += entity_ids
        known = {
            "bedrooms": 3.0,
            "living_sqft": float("nan"),
            "extra_json": '{"lift": "yes", "rooms": 4}',
        }
        return [
            OnlineRow(known, (), SEEN) if i != "nobody" else OnlineRow({}, (), None)
            for i in entity_ids
        ]


@pytest.fixture
def store():
    return Store()


def test_facts_are_read_with_their_further_facts_and_nan_as_unknown(store):
    home = HomeFacts(lambda: store).read("a", NOW)
    assert home.facts["bedrooms"] == 3.0
    assert home.facts["living_sqft"] is None
    assert (home.facts["extra_lift"], home.facts["extra_rooms"]) == ("yes", 4.0)
    assert home.seen_at == SEEN


def test_a_home_is_remembered_for_a_while_and_no_longer(store):
    homes = HomeFacts(lambda: store, fresh_seconds=30)
    homes.read("a", NOW)
    assert homes.remembered("a", NOW + timedelta(seconds=29))[0] is True
    assert homes.remembered("a", NOW + timedelta(seconds=31))[0] is False


def test_that_nobody_is_known_is_remembered_too(store):
    homes = HomeFacts(lambda: store)
    assert homes.read("nobody", NOW) is None
    assert homes.remembered("nobody", NOW) == (True, None)


def test_the_memory_is_bounded_and_forgets_the_least_used(store):
    homes = HomeFacts(lambda: store, keep=2)
    homes.read("a", NOW)
    homes.read("b", NOW)
    homes.remembered("a", NOW)
    homes.read("c", NOW)
    assert [homes.remembered(i, NOW)[0] for i in "abc"] == [True, False, True]


def test_a_home_read_before_is_answered_as_stale_while_the_store_is_away(store):
    homes = HomeFacts(lambda: store)
    homes.read("a", NOW)
    store.silent = True
    assert homes.read("a", NOW).is_stale is True
    with pytest.raises(Unavailable):
        homes.read("b", NOW)


class Lake:
    def __init__(self) -> None:
        self.present = 0
        self.silent = False

    def version(self, _table):
        if self.silent:
            raise Unavailable("silence")
        return self.present

    def read(self, _table, *, columns=None):
        ids = ["12", "21", "112", "12"] + ["99"] * self.present
        n = len(ids)
        times = pa.array(
            [NOW, NOW, NOW, NOW + timedelta(1)] + [NOW] * self.present, pa.timestamp("us", "UTC")
        )
        return pa.table(
            {
                "property_id": ids,
                "event_timestamp": times,
                "area": ["Ballard", None, "ballard", "Fremont"] + ["x"] * self.present,
                "property_type": ["a"] * n,
                "living_sqft": [float(i) for i in range(n)],
                "bedrooms": [1.0] * n,
                "latitude": [1.0] * n,
                "longitude": [1.0] * n,
            }
        ).select(columns)


def test_homes_are_found_by_id_first_and_by_area_each_once_with_its_newest_facts():
    index = HomeIndex(Lake)
    found, total = index.search("12", 10)
    assert [home["property_id"] for home in found] == ["12", "112"]
    assert total == 2
    assert found[0]["area"] == "Fremont"
    assert [home["property_id"] for home in index.search("BALLARD", 10)[0]] == ["112"]
    assert index.search("", 2) == (index.search("", 3)[0][:2], 3)


def test_a_table_that_moved_is_read_anew_and_a_silent_lake_takes_nothing_away():
    lake = Lake()
    index = HomeIndex(lambda: lake)
    assert index.search("99", 5)[1] == 0
    lake.present = 1
    assert index.search("99", 5)[1] == 1
    lake.silent = True
    assert index.search("99", 5)[1] == 1
    with pytest.raises(Unavailable):
        HomeIndex(lambda: lake).search("99", 5)
