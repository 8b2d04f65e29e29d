from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.tables import MARKET_TREND, TIME
from hki_ml.transforms.market import market_trend

START = datetime(2020, 1, 1, tzinfo=UTC)


def sales(rows: list[tuple[str | None, int, float]]) -> pa.Table:
    """Return a sales table of (area, days after the start, price per square foot)."""
    return pa.table(
        {
            "area": pa.array([row[0] for row in rows], pa.string()),
            "sold_at": pa.array([START + timedelta(days=row[1]) for row in rows], TIME),
            "known_at": pa.array([START + timedelta(days=2000)] * len(rows), TIME),
            "price_usd": pa.array([row[2] * 1000 for row in rows], pa.float64()),
            "living_sqft": pa.array([1000.0] * len(rows), pa.float64()),
            "is_arms_length": pa.array([True] * len(rows)),
        }
    )


def steady(area: str, growth: float) -> list[tuple[str | None, int, float]]:
    return [(area, day, 100.0 if day < 366 else 100.0 * (1 + growth)) for day in range(0, 730, 2)]


def row(table: pa.Table, area: str, moment: datetime) -> dict[str, object]:
    return next(
        found
        for found in table.to_pylist()
        if found["area"] == area and found["event_timestamp"] == moment
    )


def test_a_market_that_rose_ten_percent_is_seen_to_have_risen_ten_percent():
    trend = market_trend(sales(steady("a", 0.10)), until=datetime(2022, 1, 1, tzinfo=UTC))
    found = row(trend, "a", datetime(2022, 1, 1, tzinfo=UTC))
    assert found["neighborhood_appreciation_rate"] == pytest.approx(0.10, abs=1e-9)
    assert found["market_price_per_sqft_usd"] == pytest.approx(110)


def test_an_area_with_few_sales_is_drawn_to_the_market():
    few = [("b", 100, 100.0), ("b", 700, 200.0)]
    trend = market_trend(sales(steady("a", 0.10) + few), until=datetime(2022, 1, 1, tzinfo=UTC))
    rate = row(trend, "b", datetime(2022, 1, 1, tzinfo=UTC))["neighborhood_appreciation_rate"]
    assert rate == pytest.approx((1 * 1.0 + 20 * 0.10) / 21, abs=1e-9)


def test_sales_that_were_no_market_sales_or_have_no_area_do_not_count():
    table = sales([("a", 10, 100.0), (None, 10, 100.0)])
    table = table.set_column(5, "is_arms_length", pa.array([False, True]))
    assert market_trend(table, until=START + timedelta(days=90)).num_rows == 0


def test_no_sales_make_an_empty_trend_under_its_schema():
    assert market_trend(sales([]), until=START).schema == MARKET_TREND


@settings(max_examples=15, deadline=None)
@given(
    later=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(400, 900), st.floats(50, 500))
    )
)
def test_later_sales_change_no_earlier_row(later):
    before = [("a", day, 100.0 + day) for day in range(0, 400, 20)]
    moment = START + timedelta(days=396)
    columns = [name for name in MARKET_TREND.names if name != "created"]
    alone = market_trend(sales(before), until=moment)
    among = market_trend(sales(before + later), until=moment)
    known = pa.compute.field("area") == "a"
    assert among.filter(known).select(columns).equals(alone.filter(known).select(columns))
