"""What features are about."""

from feast import Entity, ValueType

home = Entity(
    name="property",
    join_keys=["property_id"],
    value_type=ValueType.STRING,
    description="A home, under the id of its source",
)
market = Entity(
    name="market",
    join_keys=["area"],
    value_type=ValueType.STRING,
    description="A market area: a zip code, a neighbourhood, a county's assessment area",
)
lead = Entity(
    name="lead",
    join_keys=["lead_id"],
    value_type=ValueType.STRING,
    description="Somebody who may sell, under the id of the CRM",
)
investor = Entity(
    name="investor",
    join_keys=["investor_id"],
    value_type=ValueType.STRING,
    description="Somebody who buys, under the id of the CRM",
)
