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


ANSWERS: tuple[type[Shape], ...] = (MatchData, InvestorData)
