"""The pool in memory: read when the table moves, and without whoever has gone since."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from hki_ml.serving.investors import PoolHolder
from hki_ml.tables import INVESTOR_STATE

DAY = datetime(2016, 1, 1, tzinfo=UTC)
LATER = datetime(2016, 1, 2, tzinfo=UTC)


class OneTable:
    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []
        self.reads = 0

    def version(self, _table: str) -> int:
        return len(self.rows) - 1

    def read(self, _table: str) -> pa.Table:
        self.reads += 1
        empty = dict.fromkeys(INVESTOR_STATE.names)
        return pa.Table.from_pylist([empty | row for row in self.rows], INVESTOR_STATE)


def row(who: str, at: datetime) -> dict[str, object]:
    return {"investor_id": who, "event_timestamp": at, "created": at}


@pytest.fixture
def lake():
    made = OneTable()
    made.rows = [row("anna", DAY), row("bert", DAY), row("anna", LATER), row("carl", LATER)]
    return made


def test_it_is_read_once_for_each_version_and_only_of_the_last_moment(lake):
    holder = PoolHolder(lambda: lake)
    assert holder.pool is None
    assert holder.refresh()
    assert not holder.refresh()
    assert lake.reads == 1
    assert sorted(holder.pool.ids) == ["anna", "carl"]
    lake.rows.append(row("dora", LATER))
    assert holder.refresh()
    assert sorted(holder.pool.ids) == ["anna", "carl", "dora"]


def test_who_has_gone_is_marked_and_the_pool_is_made_once_for_the_same(lake):
    holder = PoolHolder(lambda: lake)
    assert holder.without(("anna",)) is None
    holder.refresh()
    assert holder.without(()) is holder.pool
    less = holder.without(("anna", "nobody"))
    assert less.opted_out[less.place["anna"]]
    assert not less.opted_out[less.place["carl"]]
    assert not holder.pool.opted_out.any()
    assert holder.without(("anna", "nobody")) is less
    assert holder.without(("carl",)) is not less


def test_an_empty_table_is_nobody(lake):
    lake.rows = []
    holder = PoolHolder(lambda: lake)
    assert holder.refresh()
    assert len(holder.pool) == 0
