"""What each model reads."""

from feast import FeatureService

from features.markets import market_trend
from features.properties import property_facts

valuation = FeatureService(
    name="valuation",
    features=[property_facts],
    description="Facts of the home; comparables and index are made from the sales themselves",
)
market = FeatureService(name="market", features=[market_trend])
