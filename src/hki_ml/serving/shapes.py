"""The shapes of the answers, for the OpenAPI document and for the tests that hold the answers to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Fact = float | str | bool | None
Facts = dict[str, Any]


class Shape(BaseModel):
    """Closed and camelCase."""

    model_config = ConfigDict(extra="forbid", alias_generator=to_camel)


class Range(Shape):
    """A range of USD that holds the sale price with the probability it is named by."""

    low: int
    high: int


class AdjustmentLine(Shape):
    """What the home has more (+) or less (-) than the comparable, in USD, by the facts of one factor.

    Every comparable has the same factors in the same order.
    """

    factor: str
    amount_usd: int
    home: Facts
    comparable: Facts


class ComparableSale(Shape):
    """An earlier sale; ``priceUsd`` plus its adjustments is ``adjustedPriceUsd``, to the dollar."""

    rank: int
    sale_id: str
    property_id: str
    sold_at: str
    price_usd: int
    adjusted_price_usd: int
    adjustments: list[AdjustmentLine]
    distance_km: float | None
    months_ago: float
    similarity: float
    weight: float
    pinned: bool
    latitude: float | None
    longitude: float | None
    facts: Facts


class ValueDriver(Shape):
    """What a group of facts adds to (+) or takes from (-) the area's typical home, in USD."""

    factor: str
    amount_usd: int
    facts: Facts
    typical: Facts


class Terms(Shape):
    """The terms that the investment figures assume."""

    rehab_cost_usd: float
    rehab_cost_sd_share: float
    holding_months: float
    holding_cost_rate: float
    selling_cost_rate: float
    target_margin_rate: float
    loss_probability: float
    seller_minimum_rate: float
    seller_minimum_sd: float


class InvestmentFigures(Shape):
    """What the home could be to an investor."""

    after_repair_value_usd: int
    after_repair: Range
    maximum_allowable_offer_usd: int
    probability_of_loss: float
    expected_profit_usd: int
    acceptance_probability: float
    winners_curse_usd: int
    renovation_potential_usd: int
    draws: int
    terms: Terms


class NoEstimate(Shape):
    """Why there is no estimate."""

    reasons: list[str]


class OverriddenFact(Shape):
    """A fact that the caller replaced."""

    fact: str
    was: Fact
    now: Fact


class IgnoredFact(Shape):
    """A fact that was sent and that the model does not look at."""

    fact: str
    reason: str


class ValuationData(Shape):
    """``typicalValue`` plus the drivers' amounts is ``estimatedValue``, to the dollar."""

    prediction_id: str
    property_id: str | None
    as_of: str
    estimated_value: int | None
    intervals: dict[Literal["p68", "p80", "p95"], Range] | None
    fsd: float | None = Field(description="half the 68 % interval as a share of the value")
    confidence: float | None = Field(
        description="probability that the price lies within 10 % of the value"
    )
    comparables: list[ComparableSale]
    typical_value: int | None
    value_drivers: list[ValueDriver]
    investment: InvestmentFigures | None
    no_estimate: NoEstimate | None
    facts: Facts = Field(description="the home as it was valued")
    assumed_facts: Facts = Field(
        description="not given, so taken as typical of the area; the intervals are wider for it"
    )
    overridden_facts: list[OverriddenFact]
    ignored_facts: list[IgnoredFact]
    model_version: str
    computed_at: str
    degraded: bool
    fallback_level: Literal["full", "staleFeatures", "lastGoodModel"]
    feature_age_seconds: float | None


class HomeSummary(Shape):
    """A home as the search shows it."""

    property_id: str
    area: str | None
    property_type: str | None
    living_sqft: float | None
    bedrooms: float | None
    latitude: float | None
    longitude: float | None


class HomesFound(Shape):
    """The homes that match, best first."""

    query: str
    homes: list[HomeSummary]
    total: int


class HomeData(Shape):
    """A home's facts now."""

    property_id: str
    facts: Facts
    feature_age_seconds: float | None


class VersionData(Shape):
    """A registered version with what was measured when it was made."""

    version: str
    aliases: list[str]
    figures: dict[str, float | None]
    registered_at: str | None


class FactRange(Shape):
    """A fact that the model looks at, with what it saw of it in training."""

    name: str
    low: float | None
    high: float | None
    categories: list[str]


class ServingData(Shape):
    """What answers now; ``latest`` and ``facts`` are the valuation's."""

    version: str
    latest: str | None = Field(
        None, description="when the newest sale that the model knows was made"
    )
    degraded: bool
    facts: list[FactRange] = []


class ModelData(Shape):
    """A model: what serves, and its versions, newest first."""

    name: str
    serving: ServingData | None
    versions: list[VersionData]
    registry_answers: bool


class ModelSummary(Shape):
    """A model in the list."""

    name: str
    serving_version: str | None
    figures: dict[str, float | None]
    card: str


class ModelList(Shape):
    """The models that this service answers with."""

    models: list[ModelSummary]


class FieldProblem(Shape):
    """What is wrong with one field."""

    pointer: str
    reason: str


class ProblemBody(Shape):
    """RFC 9457 problem details."""

    success: Literal[False]
    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem]
    request_id: str
