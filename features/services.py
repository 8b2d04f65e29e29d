"""What each model reads."""

from feast import FeatureService

from features.investors import investor_state
from features.leads import lead_state
from features.markets import market_trend
from features.properties import property_facts, property_value

valuation = FeatureService(
    name="valuation",
    features=[property_facts],
    description="Facts of the home; comparables and index are made from the sales themselves",
)
market = FeatureService(name="market", features=[market_trend])
property_worth = FeatureService(name="property_value", features=[property_value])
lead_scoring = FeatureService(
    name="lead_scoring",
    features=[lead_state],
    description="Will it close within 90 days",
)
conversion = FeatureService(
    name="conversion",
    features=[lead_state],
    description="Will it close, by when, through which stages",
)
time_to_close = FeatureService(
    name="time_to_close",
    features=[lead_state],
    description="When it closes or is lost",
)
investor_matching = FeatureService(
    name="investor_matching",
    features=[investor_state],
    description="Who should see this deal",
)
risk = FeatureService(
    name="risk",
    features=[lead_state],
    description="Will a contract fall through, and what does it cost",
)
