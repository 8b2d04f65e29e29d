"""What the matcher says: who should see a deal and why, who nearly should, and why somebody should not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A factor's signed log-odds against the typical pair of a deal and an investor."""

    factor: str
    log_odds: float
    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """An investor for a deal (or the other way round, with ``deal_id``).

    ``score`` is 100 times the probability of a positive answer within 14 days. The reasons and
    ``reference``, the typical pair's log-odds, add up to the log-odds of the probability.
    """

    investor_id: str
    score: float
    probability: float
    reasons: tuple[Reason, ...]
    reference: float = 0.0
    deal_id: str | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Who does not admit the deal, what score it would have, and what would admit it."""

    investor_id: str
    score: float
    would_admit: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Where a named investor stands: why not admitted, or at which rank among those who are.

    ``rank`` is ``None`` where it is not admitted, or did not come among those that were ranked.
    """

    investor_id: str
    admitted: bool
    reasons: tuple[str, ...]
    score: float | None
    rank: int | None


@dataclass(frozen=True, slots=True)
class MatchAnswer:
    """The best matches, the nearest alternatives, and how many were asked and admitted."""

    matches: tuple[Match, ...]
    alternatives: tuple[Alternative, ...]
    why_not: WhyNot | None
    asked: int
    admitted: int
