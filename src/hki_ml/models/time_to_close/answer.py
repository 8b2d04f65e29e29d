"""What is said of when a lead will close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class OnDay:
    """What has come true by a day: ``closed + lost`` is at most 1."""

    days: int
    closed: float
    lost: float


@dataclass(frozen=True, slots=True)
class RiskFactor:
    """What a business factor does to the hazard of closing, and of being lost, against the typical lead.

    The logs of all ``hazard_ratio`` add up to the log of the answer's ``hazard_ratio``.
    """

    factor: str
    hazard_ratio: float
    loss_hazard_ratio: float


@dataclass(frozen=True, slots=True)
class Opportunity:
    """What a step of ours would do if the lead then were like others that have had it.

    Attributes
    ----------
    days_saved, low, high
        Fewer expected days, with the 95 % interval from the coefficients' covariance.
    probability_change
        Of closing within 90 days.
    """

    action: str
    kind: Literal["correlational"]
    days_saved: float
    low: float
    high: float
    probability_change: float
    text: str


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """When a lead closes, if it does: everything here is read off one pair of curves.

    Attributes
    ----------
    expected_days
        Mean days to closing of those like it that close within 365 days.
    median_days, quantiles
        Of the same: ``closed`` on day ``median_days`` is half of ``1 - never_probability``. ``None``
        if there is no chance of closing.
    distribution
        At 7, 14, 30, 60, 90, 120 and 180 days.
    never_probability
        Of not closing within 365 days: ``1 - closed`` on that day.
    hazard_ratio
        Of closing, against the typical lead.
    is_anchored
        Whether the curve was made to meet a stated probability.
    """

    expected_days: float
    median_days: float | None
    quantiles: dict[str, float | None]
    distribution: tuple[OnDay, ...]
    never_probability: float
    hazard_ratio: float
    risk_factors: tuple[RiskFactor, ...]
    acceleration_opportunities: tuple[Opportunity, ...]
    is_anchored: bool
