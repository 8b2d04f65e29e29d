"""What is known of an investor; nothing here moves with the clock, see ``hki_ml.learning.investor_pool``."""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Bool, Float64, Int64, String

from features.entities import investor
from features.sources import lake_source
from hki_ml.tables import INVESTOR_STATE

_KINDS = {"string": String, "double": Float64, "int64": Int64, "bool": Bool}

investor_state = FeatureView(
    name="investor_state",
    entities=[investor],
    ttl=timedelta(0),  # what somebody buys holds until they say otherwise
    schema=[
        Field(name=column.name, dtype=_KINDS[str(column.type)])
        for column in INVESTOR_STATE
        if column.name not in {"investor_id", "event_timestamp", "created"}
    ],
    source=lake_source("investor_state"),
    tags={"owner": "investors", "privacy": "pseudonymous"},
)
