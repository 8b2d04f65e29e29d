"""What is known of a lead; nothing here moves with the clock, see ``hki_ml.learning.lead_clock``."""

from datetime import timedelta

from feast import FeatureView, Field
from feast.types import Float64, Int64, String

from features.entities import lead
from features.sources import lake_source
from hki_ml.tables import LEAD_STATE

_KINDS = {"string": String, "double": Float64, "int64": Int64}

lead_state = FeatureView(
    name="lead_state",
    entities=[lead],
    ttl=timedelta(0),  # old state is told with its age, and lowers the confidence
    schema=[
        Field(name=column.name, dtype=_KINDS[str(column.type)])
        for column in LEAD_STATE
        if column.name not in {"lead_id", "event_timestamp", "created"}
    ],
    source=lake_source("lead_state"),
    tags={"owner": "leads", "privacy": "pseudonymous"},
)
