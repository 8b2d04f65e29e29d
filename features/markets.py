"""How the market of an area moves."""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Float64, Int64

from features.entities import market
from features.sources import lake_source

market_trend = FeatureView(
    name="market_trend",
    entities=[market],
    ttl=timedelta(days=62),  # computed monthly; two missed months are too old to use
    schema=[
        Field(name="neighborhood_appreciation_rate", dtype=Float64),
        Field(name="market_price_per_sqft_usd", dtype=Float64),
        Field(name="market_sales_count_365d", dtype=Int64),
        Field(name="market_sales_count_90d", dtype=Int64),
    ],
    source=lake_source("market_trend"),
    tags={"owner": "valuation", "privacy": "public record"},
)
