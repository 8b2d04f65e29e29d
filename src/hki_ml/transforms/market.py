"""How each area's market stood at the start of each month, from the sales before it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa

from hki_ml.tables import MARKET_TREND

SHRINKAGE_SALES = (
    20  # an area with 20 priced sales a year is believed half, the city the other half
)
CITY = "*"


def market_trend(sales: pa.Table, *, until: datetime) -> pa.Table:
    """Return a row an area and month up to ``until``: level, 12-month appreciation, counts.

    Parameters
    ----------
    sales
        The ``sales`` table; only arm's-length sales with an area are counted.
    until
        The last month start is at or before this moment (aware).

    Returns
    -------
    A table under ``tables.MARKET_TREND``. ``event_timestamp`` is the month's first moment, and only
    sales strictly before it count. ``neighborhood_appreciation_rate`` is the median price per square
    foot of the last 365 days over that of the 365 days before, minus one, shrunk to the whole
    market's rate by the number of sales; null where the market itself has no such rate.
    """
    import ibis

    known = sales.select(
        ["area", "sold_at", "known_at", "price_usd", "living_sqft", "is_arms_length"]
    )
    if known.num_rows == 0:
        return MARKET_TREND.empty_table()
    # NOTE: memtable, not create_table: the latter makes broken SQL with this sqlglot
    table: Any = ibis.memtable(known)
    table = table.filter(table.is_arms_length & ~table.area.isnull())
    table = table.mutate(per_sqft=table.price_usd / table.living_sqft)
    months = _months(known, until)
    areas = table.select("area").distinct()
    city = _windows(months, table).mutate(area=ibis.literal(CITY))
    local = _windows(months.cross_join(areas), table)
    answer = _shrunk(local, city).mutate(created=table.known_at.max().as_scalar())
    arrow: pa.Table = answer.order_by(["area", "event_timestamp"]).to_pyarrow()
    return arrow.select(MARKET_TREND.names).cast(MARKET_TREND)


def _months(sales: pa.Table, until: datetime) -> Any:
    import ibis
    import pandas as pd
    import pyarrow.compute as pc

    first = pc.min(sales["sold_at"]).as_py()
    starts = pd.date_range(first, until, freq="MS", normalize=True).as_unit("us")
    return ibis.memtable(pa.table({"event_timestamp": pa.array(starts)}))


def _windows(spine: Any, table: Any) -> Any:
    """Return counts and medians of the year before each spine row and of the year before that."""
    import ibis

    keys = [name for name in ("area", "event_timestamp") if name in spine.columns]
    same_area = [spine.area == table.area] if "area" in spine.columns else []
    joined = spine.join(
        table.select("area", "sold_at", "per_sqft"),
        [
            *same_area,
            table.sold_at < spine.event_timestamp,
            table.sold_at >= spine.event_timestamp - ibis.interval(days=730),
        ],
    )
    days = (joined.event_timestamp.epoch_seconds() - joined.sold_at.epoch_seconds()) / 86_400
    joined = joined.mutate(days_ago=days)
    recent, priced = joined.days_ago <= 365, ~joined.per_sqft.isnull()
    return joined.group_by(keys).aggregate(
        market_sales_count_365d=recent.sum(),
        market_sales_count_90d=(joined.days_ago <= 90).sum(),
        market_price_per_sqft_usd=joined.per_sqft.median(where=recent),
        before=joined.per_sqft.median(where=~recent),
        priced_recent=(recent & priced).sum(),
        priced_before=(~recent & priced).sum(),
    )


def _shrunk(local: Any, city: Any) -> Any:
    import ibis

    whole = city.select(
        "event_timestamp", city_rate=city.market_price_per_sqft_usd / city.before - 1
    )
    joined = local.left_join(whole, "event_timestamp").drop("event_timestamp_right")
    n = ibis.least(joined.priced_recent, joined.priced_before)
    own = ibis.coalesce(joined.market_price_per_sqft_usd / joined.before - 1, joined.city_rate)
    rate = (n * own + SHRINKAGE_SALES * joined.city_rate) / (n + SHRINKAGE_SALES)
    return joined.mutate(neighborhood_appreciation_rate=rate)
