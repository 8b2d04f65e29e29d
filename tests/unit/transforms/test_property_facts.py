"""What is known of a home at a moment, whatever order its events came in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.tables import EVENTS
from hki_ml.transforms.property_facts import property_facts

START = datetime(2020, 1, 1, tzinfo=UTC)
happened = st.tuples(
    st.sampled_from(["a", "b"]),
    st.integers(0, 4),
    st.fixed_dictionaries({}, optional={"livingSqft": st.integers(500, 503), "area": st.just("6")}),
    st.integers(0, 9),
)


def events(told: list[tuple[str, int, dict[str, object], int]]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "event_id": f"{i:02d}",
                "event_type": "property.facts_changed",
                "schema_version": 1,
                "entity_id": home,
                "occurred_at": START + timedelta(days=day),
                "received_at": START + timedelta(days=day),
                "source": "s",
                "properties_json": msgspec.json.encode({"facts": facts}).decode(),
                "ingested_at": START + timedelta(days=100 + ingested),
            }
            for i, (home, day, facts, ingested) in enumerate(told)
        ],
        schema=EVENTS,
    )


@given(st.lists(happened, min_size=1, max_size=12), st.randoms())
def test_a_home_has_one_row_a_moment_whatever_the_order(told, chance) -> None:
    table = events(told)
    shuffled = table.take(chance.sample(range(len(told)), len(told)))
    rows = property_facts(table)
    assert property_facts(shuffled).equals(rows)
    moments = [(row["property_id"], row["event_timestamp"]) for row in rows.to_pylist()]
    assert moments == sorted(set(moments))


@given(st.lists(happened, min_size=1, max_size=12))
def test_created_is_when_the_last_event_behind_a_row_reached_the_lake(told) -> None:
    for row in property_facts(events(told)).to_pylist():
        behind = [
            START + timedelta(days=100 + ingested)
            for home, day, _, ingested in told
            if home == row["property_id"] and START + timedelta(days=day) <= row["event_timestamp"]
        ]
        assert row["created"] == max(behind)
