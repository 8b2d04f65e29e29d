"""What is known of a home."""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Float64, Int64, String

from features.entities import home
from features.sources import lake_source
from hki_ml.tables import FACT_CATEGORIES, FACT_NUMBERS

property_facts = FeatureView(
    name="property_facts",
    entities=[home],
    ttl=timedelta(0),  # a fact holds until the next one
    schema=[
        *(Field(name=name, dtype=String) for name in FACT_CATEGORIES),
        *(Field(name=name, dtype=Float64) for name in FACT_NUMBERS),
        Field(name="extra_json", dtype=String),
    ],
    source=lake_source("property_facts"),
    tags={"owner": "valuation", "privacy": "public record"},
)

property_value = FeatureView(
    name="property_value",
    entities=[home],
    ttl=timedelta(days=183),  # half a year: the market has moved on
    schema=[
        Field(name="property_value_estimate", dtype=Float64),
        Field(name="property_value_fsd", dtype=Float64),
        Field(name="comparable_properties_count", dtype=Int64),
        Field(name="property_value_model_version", dtype=String),
    ],
    source=lake_source("property_value"),
    tags={"owner": "valuation", "privacy": "public record"},
)
