"""The shape of the answer about health, for the OpenAPI document and the tests that hold it to it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hki_ml.serving.shapes import Shape

State = Literal["ok", "alarm", "unknown"]


class CheckTold(Shape):
    """The latest look at one thing; ``unknown`` where too little was seen to say."""

    kind: str
    subject: str
    n: int
    value: float | None
    lower: float | None
    upper: float | None
    reference: float | None
    threshold: float | None
    raw_signal: bool | None = Field(
        description="what the plain threshold says, which alarms nobody"
    )
    state: State
    window_start: str
    window_end: str


class FigurePoint(Shape):
    """A figure of what came true, as it was measured at a time."""

    at: str
    version: str | None
    subject: str
    n: int
    value: float | None
    lower: float | None
    upper: float | None


class IncidentTold(Shape):
    """What somebody has to act on."""

    incident_id: str
    kind: str
    subject: str
    reason: str
    severity: str
    route: Literal["retrain", "mend_data", "audit", "none"]
    state: Literal["open", "handed_over"]
    since: str


class ModelHealth(Shape):
    """One model; ``ok`` only if drift and figures were measured and nothing alarms."""

    model: str
    state: State
    champion: dict[str, Any] | None
    checks: list[CheckTold]
    history: list[FigurePoint]
    incidents: list[IncidentTold]
    experiment: dict[str, Any] | None
    decisions: list[dict[str, Any]]


class Freshness(Shape):
    """How old the newest row of something is."""

    what: str
    newest_at: str | None
    hours: float | None


class RunTold(Shape):
    """How a deployment last ended; ``unknown`` before it ever did."""

    deployment: str
    state: State
    ended_at: str | None
    said: str


class Runs(Shape):
    """How the flows last ended, or why nobody can say."""

    latest: list[RunTold]
    unknown_because: str | None


class HealthData(Shape):
    """How the models do."""

    computed_at: str
    models: list[ModelHealth]
    data: list[CheckTold]
    data_state: State
    data_incidents: list[IncidentTold]
    freshness: list[Freshness]
    runs: Runs


ANSWERS: tuple[type[Shape], ...] = (HealthData,)
