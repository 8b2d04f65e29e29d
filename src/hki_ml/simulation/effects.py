"""What a lead's source and facts do to its log-odds of going on: the effects that models have to find.

None of these numbers is measured: they are set so that the best possible AUC is about .89, as real
funnels have it at best.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SOURCES: dict[str, tuple[float, float, float]] = {
    "direct_mail": (0.26, -0.04, 0.0),
    "ppc": (0.17, 0.03, -0.55),
    "cold_call": (0.16, -0.02, -0.9),
    "website": (0.12, 0.03, 0.45),
    "bandit_sign": (0.09, -0.01, -0.3),
    "foreclosure_list": (0.08, 0.0, 0.6),
    "probate_list": (0.06, 0.01, 0.5),
    "referral": (0.06, 0.0, 1.4),
}
"""Source → its share in 2014, the share's drift a year, its effect."""
SHARES_OF_YEAR = 2014.0
LOWEST_SHARE = 0.02

REASONS: dict[str, tuple[float, float]] = {
    "relocation": (0.2, 0.4),
    "inherited": (0.14, 0.6),
    "behind_on_payments": (0.1, 0.9),
    "tired_landlord": (0.16, 0.3),
    "downsizing": (0.16, 0.0),
    "upgrading": (0.12, -0.5),
    "just_curious": (0.12, -1.2),
}
CONDITIONS: dict[str, tuple[float, float]] = {
    "needs_work": (0.25, 0.5),
    "fair": (0.35, 0.1),
    "good": (0.28, -0.2),
    "excellent": (0.12, -0.7),
}
OCCUPANCIES: dict[str, tuple[float, float]] = {
    "owner": (0.62, -0.15),
    "tenant": (0.23, 0.1),
    "vacant": (0.15, 0.45),
}
"""Category → its share and its effect."""

MORTGAGE_SLOPE = -0.8  # of the share of the worth that is owed
TIMELINE_SLOPE = -0.09  # of a month
YEARS_SLOPE = 0.015  # of a year owned
AGENT_EFFECT = -0.8
GAP_SLOPE = -3.0  # of the log of asking price over worth
URGENT_EFFECT = 0.5  # behind on payments and wants to sell within two months
SEASON_EFFECT = 0.2  # best in May
AREA_SPREAD = 0.2
SEGMENT_EFFECT = -0.8  # of the biased group's mailing segment
DRIFTED_TIMELINE_SLOPE = 0.06
DRIFTED_SHARES: dict[str, float] = {"ppc": 3.0, "cold_call": 2.0, "referral": 0.4}

TROUBLES: dict[tuple[str, str], float] = {
    ("fact_occupancy", "tenant"): 1.3,
    ("fact_reason_for_selling", "inherited"): 1.0,
    ("lead_source", "probate_list"): 1.2,
    ("fact_reason_for_selling", "behind_on_payments"): 0.8,
    ("fact_condition", "needs_work"): 0.5,
    ("fact_has_agent", "yes"): 0.6,
}
"""Column and level → what it adds to the log-odds a day that a contract falls through."""
TROUBLE_GAP_SLOPE = 5.5  # of the log of asking price over worth
TROUBLE_MORTGAGE_SLOPE = 2.2  # of the share of the worth that is owed, less a half
TROUBLE_LOGIT_SLOPE = -0.15  # of the lead's own log-odds

TITLES: dict[tuple[str, str], float] = {
    ("fact_reason_for_selling", "inherited"): 1.0,
    ("fact_reason_for_selling", "behind_on_payments"): 2.0,
    ("lead_source", "foreclosure_list"): 1.8,
    ("lead_source", "probate_list"): 0.9,
    ("fact_occupancy", "vacant"): 0.8,
}
"""Column and level → what it adds to the log-odds that the title has liens."""
TITLE_INTERCEPT = -2.3

INTERCEPT = -0.1
SCALE = 0.76  # of the sum of all effects


def source_shares(years: FloatArray) -> FloatArray:
    """Return each source's share at a time (calendar years), shape ``(n, sources)``, rows sum to 1."""
    told = np.array([(share, drift) for share, drift, _ in SOURCES.values()])
    shares = told[:, 0] + told[:, 1] * (np.asarray(years)[:, None] - SHARES_OF_YEAR)
    shares = np.maximum(shares, LOWEST_SHARE)
    whole: FloatArray = shares / shares.sum(axis=1, keepdims=True)
    return whole


def drifted(shares: FloatArray) -> FloatArray:
    """Return the shares after the planted drift."""
    factors = np.array([DRIFTED_SHARES.get(name, 1.0) for name in SOURCES])
    moved: FloatArray = shares * factors
    whole: FloatArray = moved / moved.sum(axis=1, keepdims=True)
    return whole


def area_effect(area: str | None) -> float:
    """Return the effect of an area's market, which hangs on the area's name alone.

    Examples
    --------
    >>> area_effect(None), abs(area_effect("12")) < 0.4
    (0.0, True)
    """
    if area is None:
        return 0.0
    digest = hashlib.blake2b(area.encode(), digest_size=8).digest()
    return AREA_SPREAD * float(np.sqrt(3.0)) * (2.0 * int.from_bytes(digest) / 2**64 - 1.0)


def category_effects(categories: dict[str, tuple[float, float]]) -> FloatArray:
    """Return the effects of categories in order."""
    return np.array([effect for _, effect in categories.values()])
