"""The pool in memory: read when the table moves, and without whoever has gone since."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from hki_ml.adapters.lake import DeltaLake
from hki_ml.serving.investors import NOBODY, TABLE, Gone, PoolHolder
from hki_ml.tables import INVESTOR_STATE

DAY = datetime(2016, 1, 1, tzinfo=UTC)
LATER = datetime(2016, 1, 2, tzinfo=UTC)


class Lake(DeltaLake):
    """A lake that counts how often it is read."""

    reads = 0

    def read(self, *args, **options):
        self.reads += 1
        return super().read(*args, **options)


def rows(*known: tuple[str, datetime]) -> pa.Table:
    empty = dict.fromkeys(INVESTOR_STATE.names)
    return pa.Table.from_pylist(
        [empty | {"investor_id": who, "event_timestamp": at, "created": at} for who, at in known],
        INVESTOR_STATE,
    )


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


@pytest.fixture
def holder(lake):
    lake.append(TABLE, rows(("anna", DAY), ("bert", DAY), ("anna", LATER), ("carl", LATER)))
    return PoolHolder(lambda: lake)


def test_it_is_read_once_for_each_version_and_only_of_the_last_moment(lake, holder):
    assert holder.pool is None
    assert holder.refresh()
    assert not holder.refresh()
    assert lake.reads == 1
    assert sorted(holder.pool.ids) == ["anna", "carl"]
    lake.append(TABLE, rows(("dora", LATER)))
    assert holder.refresh()
    assert sorted(holder.pool.ids) == ["anna", "carl", "dora"]


def test_who_has_gone_is_marked_and_the_pool_is_made_once_for_the_same(holder):
    gone = Gone(opted_out=("anna", "nobody"))
    assert holder.without(gone) is None
    holder.refresh()
    assert holder.without(NOBODY) is holder.pool
    less = holder.without(gone)
    assert less.opted_out[less.place["anna"]]
    assert not less.opted_out[less.place["carl"]]
    assert not holder.pool.opted_out.any()
    assert holder.without(Gone(opted_out=("anna", "nobody"))) is less
    assert holder.without(Gone(opted_out=("carl",))) is not less


def test_who_was_deleted_is_not_known_any_more(holder):
    holder.refresh()
    less = holder.without(Gone(deleted=("anna", "nobody")))
    assert sorted(less.place) == ["carl"]
    assert less.opted_out.tolist() == [name == "anna" for name in less.ids]
    assert sorted(holder.pool.place) == ["anna", "carl"]


def test_an_empty_table_is_nobody(lake):
    lake.replace(TABLE, rows())
    holder = PoolHolder(lambda: lake)
    assert holder.refresh()
    assert len(holder.pool) == 0
