"""What is said of a deal's risk, and the published table of bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Band = Literal["Low", "Medium", "High"]
BANDS: tuple[Band, ...] = ("Low", "Medium", "High")
FALL_THROUGH_LIMITS = (0.15, 0.35)
"""Probability of falling through from which a deal is Medium, and from which it is High."""
LOSS_LIMITS = (0.03, 0.08)
"""Expected loss as a share of the price from which it is Medium, and from which it is High."""


@dataclass(frozen=True, slots=True)
class Others:
    """What the other rooms say of the same deal; ``None`` where they said nothing.

    Attributes
    ----------
    close_90
        P(the lead closes within 90 days).
    expected_days
        Mean days to the close.
    value_usd, value_fsd, comparables
        What the home is worth, how sure that is (a share), and by how many comparable sales.
    ask_usd
        The price: agreed on, else asked.
    buyers, best_match
        How many investors would be shown it, and the likeliest one's P(positive answer).
    """

    close_90: float | None = None
    expected_days: float | None = None
    value_usd: float | None = None
    value_fsd: float | None = None
    comparables: int | None = None
    ask_usd: float | None = None
    buyers: int | None = None
    best_match: float | None = None


@dataclass(frozen=True, slots=True)
class SubScore:
    """One kind of risk, 0 (none) to 100, with its reasons and where they come from."""

    name: str
    score: float
    reasons: tuple[str, ...]
    provenance: str


@dataclass(frozen=True, slots=True)
class RiskAnswer:
    """What can go wrong with a deal, and what it costs.

    Attributes
    ----------
    fall_through_probability
        P(lost after the contract). Without a contract yet: given that one is signed now, and
        ``is_if_signed_now`` says so.
    expected_loss_usd, tail_loss_usd
        Mean loss, and mean loss in the worst 5 % of cases (never below the former).
    band
        By the table: the higher of what probability and expected loss say.
    sub_scores
        Title, legal, price, liquidity, condition, data, concentration, fall_through.
    """

    fall_through_probability: float
    expected_loss_usd: float
    tail_loss_usd: float
    band: Band
    sub_scores: tuple[SubScore, ...]
    is_if_signed_now: bool = False
    version: str = ""


def band_of(probability: float, expected_loss_usd: float, price_usd: float | None) -> Band:
    """Return the band of the published table (``docs/risk.md``).

    Examples
    --------
    >>> band_of(0.1, 2_000, 400_000), band_of(0.2, 2_000, 400_000), band_of(0.1, 50_000, 400_000)
    ('Low', 'Medium', 'High')
    """
    rank = sum(probability >= limit for limit in FALL_THROUGH_LIMITS)
    if price_usd is not None and price_usd > 0:
        share = expected_loss_usd / price_usd
        rank = max(rank, sum(share >= limit for limit in LOSS_LIMITS))
    return BANDS[rank]
