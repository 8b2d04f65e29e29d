"""The shapes of the answers about deals, for the OpenAPI document and the tests that hold them to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hki_ml.serving.lead_shapes import Level
from hki_ml.serving.shapes import Shape


class DealAnswer(Shape):
    """What every answer about a deal carries."""

    prediction_id: str
    lead_id: str | None
    model_version: str | None = Field(
        description="null where the lead has ended: no model is asked"
    )
    model_versions: dict[str, str]
    computed_at: str
    degraded: bool
    fallback_level: Level
    feature_age_seconds: float | None
    experiment: Literal["champion", "challenger"]


class MatchReason(Shape):
    """What a factor adds to (+) or takes from (-) the log-odds of a positive answer."""

    factor: str
    log_odds: float
    text: str


class EarlierDeal(Shape):
    """Where an investor answered well or bought before."""

    latitude: float
    longitude: float
    price_usd: float | None
    bought: bool


class Match(Shape):
    """An investor to show the deal to; ``score`` is the probability of a positive answer in percent."""

    investor_id: str
    score: float = Field(ge=0, le=100)
    probability: float = Field(ge=0, le=1)
    reasons: list[MatchReason]
    reference: float = Field(description="log-odds of the typical pair, which the reasons add to")
    deal_id: str | None
    earlier: list[EarlierDeal]


class Alternative(Shape):
    """An investor who is not asked now, and what would admit them."""

    investor_id: str
    score: float | None
    would_admit: list[str]


class WhyNot(Shape):
    """Why a named investor is not among the matches."""

    investor_id: str
    admitted: bool
    reasons: list[str]
    score: float | None
    rank: int | None


class MatchData(DealAnswer):
    """Who should see a deal."""

    property_id: str | None
    deal: dict[str, Any]
    matches: list[Match]
    alternatives: list[Alternative]
    why_not: WhyNot | None
    asked: int = Field(description="investors who are known")
    admitted: int = Field(description="of them, those whose criteria the deal meets")


class SubScore(Shape):
    """One kind of risk, 0 (none) to 100, with what it comes from."""

    name: str
    score: float = Field(ge=0, le=100)
    reasons: list[str]
    provenance: str


class RiskData(DealAnswer):
    """What can go wrong with a deal, and what it costs."""

    fall_through_probability: float = Field(ge=0, le=1)
    expected_loss_usd: int
    tail_loss_usd: int = Field(description="mean of the worst 5 % of outcomes, or their threshold")
    band: Literal["Low", "Medium", "High"]
    sub_scores: list[SubScore]
    made_of: dict[str, Any] = Field(description="what the other models said, as features")


class SuitingDeal(Shape):
    """An open deal that suits an investor."""

    lead_id: str
    score: float
    probability: float
    price_usd: float | None
    area: str | None
    reasons: list[MatchReason]


class InvestorData(Shape):
    """What is known of an investor, and the open deals that suit them, best first."""

    investor_id: str
    model_version: str
    known: dict[str, Any]
    deals: list[SuitingDeal]
    earlier: list[EarlierDeal]


class PlannedOffer(Shape):
    """One offer; ``turn`` is 1 for the first that the investor gets of these deals."""

    investor_id: str
    turn: int = Field(ge=1)
    score: float = Field(ge=0, le=100)
    probability: float = Field(ge=0, le=1)
    reasons: list[MatchReason]
    reference: float


class PlacedDeal(Shape):
    """A deal with its offers, the likeliest first; ``why`` there are none."""

    prediction_id: str
    lead_id: str
    property_id: str | None
    area: str | None
    price_usd: float | None
    admitted: int
    offers: list[PlannedOffer]
    why: str | None


class LeftOut(Shape):
    """A lead that is no deal to place."""

    lead_id: str
    reason: str


class PortfolioData(Shape):
    """Who is offered which deal, and what deal after deal would have brought instead."""

    offers: int
    expected_positives: float
    expected_one_by_one: float
    model_version: str
    computed_at: str
    degraded: bool
    fallback_level: Level
    offers_per_deal: int
    deals: list[PlacedDeal]
    at_capacity: list[str]
    left_out: list[LeftOut]


ANSWERS: tuple[type[Shape], ...] = (MatchData, RiskData, InvestorData, PortfolioData)
