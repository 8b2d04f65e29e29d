"""The shapes of the answers about leads, for the OpenAPI document and for the tests that hold them to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hki_ml.serving.shapes import Shape

Level = Literal["full", "staleFeatures", "lastGoodModel"]


class LeadAnswer(Shape):
    """What every answer about a lead carries."""

    prediction_id: str
    lead_id: str
    model_version: str | None = Field(
        description="null where the lead has ended: no model is asked"
    )
    model_versions: dict[str, str]
    computed_at: str
    degraded: bool
    fallback_level: Level
    feature_age_seconds: float | None
    experiment: Literal["champion", "challenger"]


class LeadDriver(Shape):
    """What a factor adds to (+) or takes from (-) the typical lead's score."""

    factor: str
    log_odds: float
    score_points: float
    text: str


class LeadAction(Shape):
    """What could be done, and by how much leads on which it was done stand higher."""

    action: str
    kind: Literal["correlational", "randomised"]
    score_change: float
    probability_change: float
    text: str


class ScoreData(LeadAnswer):
    """How much a lead deserves the next hour; 10 points double the odds, 50 points are 1 to 9."""

    score: int = Field(ge=0, le=100)
    confidence: float = Field(ge=0, le=1)
    factors: dict[str, float] = Field(
        description="share of each factor in the reasons; they sum to 1"
    )
    recommendation: str
    predicted_conversion: float = Field(ge=0, le=1, description="closes within 90 days")
    estimated_time_to_close: int | None = Field(description="days, if it closes")
    typical_conversion: float | None
    drivers: list[LeadDriver]
    actions: list[LeadAction]


class HorizonOdds(Shape):
    """The probability of having closed by a day."""

    days: int
    probability: float


class StageOdds(Shape):
    """The probability of going from a stage to another within 90 days."""

    from_: str = Field(alias="from")
    to: str
    probability: float


class ConversionData(LeadAnswer):
    """Whether a lead closes, by when and through which stages."""

    horizons: list[HorizonOdds]
    stages: list[StageOdds]
    agrees_with_score: bool


class DayOdds(Shape):
    """What has come true by a day."""

    days: int
    closed: float
    lost: float


class TimeQuantiles(Shape):
    """Days by which 10, 50 and 90 % of those that close have closed."""

    p10: float | None
    p50: float | None
    p90: float | None


class TimeData(LeadAnswer):
    """When a lead closes or is lost."""

    expected_days: float | None
    median_days: float | None
    quantiles: TimeQuantiles
    distribution: list[DayOdds]
    never_probability: float
    risk_factors: list[dict[str, Any]]
    acceleration_opportunities: list[dict[str, Any]]
    agrees_with_score: bool


class EventVerdict(Shape):
    """What became of one event of a batch."""

    index: int
    accepted: bool
    event_id: str | None = None
    reason: str | None = None
    detail: str | None = None


class EventsTaken(Shape):
    """What became of a batch of events: what was accepted is durable."""

    accepted: int
    refused: int
    events: list[EventVerdict]


class PredictionData(Shape):
    """A prediction as it was made."""

    prediction_id: str
    entity_id: str
    model: str
    model_versions: dict[str, str]
    computed_at: str
    answer: dict[str, Any]
    features: dict[str, Any]
    made_from: dict[str, Any]


class ExplanationData(Shape):
    """Why a prediction said what it said."""

    prediction_id: str
    entity_id: str
    model: str
    model_versions: dict[str, str]
    computed_at: str
    said: dict[str, Any]
    why: dict[str, Any]
    features: dict[str, Any]


class LeadSummary(Shape):
    """A lead in the morning list."""

    lead_id: str
    score: int
    predicted_conversion: float
    lead_source: str | None
    area: str | None
    property_id: str | None
    stage: str
    age_days: float
    asking_price_usd: float | None
    property_value_estimate: float | None


class LeadsFound(Shape):
    """Open leads by score, best first."""

    model_version: str
    scored_at: str
    total: int
    leads: list[LeadSummary]
    choices: dict[str, list[str]]


class ScorePoint(Shape):
    """The score after something happened: ``timeDecay`` and ``features`` add up to the change before it."""

    at: str
    events: list[str]
    score: float
    time_decay: float | None
    features: float | None


class AnsweredBefore(Shape):
    """What another version answered; ``modelVersion`` is by how much the present one differs."""

    at: str
    version: str
    score: int
    model_version: float


class LeadCard(Shape):
    """What is known of a lead, and its score over time."""

    lead_id: str
    as_of: str
    seen_at: str | None
    known: dict[str, Any]
    history: list[ScorePoint]
    answered: list[AnsweredBefore]


class ScoreBand(Shape):
    """Which share of the leads of a band closed, with its 95 % interval; unknown where n is 0."""

    from_: int = Field(alias="from")
    to: int
    n: int
    closed: int
    closed_percent: float | None
    low: float | None
    high: float | None


class TrackRecordData(Shape):
    """Whether scores came true, live and in the serving version's trial."""

    live: list[ScoreBand]
    trial: dict[str, Any] | None
    model_version: str | None


class CallCandidate(Shape):
    """A lead and what a call to it is expected to bring; ``gain`` is the change of P(it closes)."""

    lead_id: str
    score: int
    gain: float
    kind: Literal["correlational", "randomised"]
    expected_profit_usd: float


class PlannedCall(CallCandidate):
    """A call: whose, and how many minutes after the first."""

    caller: int
    after_minutes: float


class CallNotWorth(CallCandidate):
    """A lead that is worth no call, and why."""

    reason: str


class CallListData(Shape):
    """Whom to call, who found no time, and who is not worth a call."""

    model_version: str
    scored_at: str
    terms: dict[str, float]
    calls: list[PlannedCall]
    no_time: list[CallCandidate] = Field(description="the first 200")
    not_worth: list[CallNotWorth] = Field(description="the first 200")
    counts: dict[str, int]
    expected_profit_usd: float


ANSWERS = (
    CallListData,
    ScoreData,
    ConversionData,
    TimeData,
    EventsTaken,
    PredictionData,
    ExplanationData,
    LeadsFound,
    LeadCard,
    TrackRecordData,
)
