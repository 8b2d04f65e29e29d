"""What the room says about one lead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Driver:
    """What one business factor adds to (+) or takes from (-) the typical lead's odds.

    Attributes
    ----------
    factor
        One of ``lead_features.FACTORS``.
    log_odds
        All drivers' plus those of ``reference_probability`` are the score's ``margin``.
    score_points
        The same on the scale of the score, before it is clipped: 10 points double the odds.
    """

    factor: str
    log_odds: float
    score_points: float
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """What could be done, and by how much leads on which it was done stand higher.

    Attributes
    ----------
    kind
        ``"correlational"``: leads like this one with it closed more often; whether doing it helps is
        another question. ``"randomised"``: it was tried by lot.
    """

    action: str
    kind: str
    score_change: float
    probability_change: float
    text: str


@dataclass(frozen=True, slots=True)
class LeadScore:
    """The answer for one lead at one moment.

    Attributes
    ----------
    probability
        Of closing within the horizon (90 days).
    score
        ``50 + 10·log2(odds / (1/9))`` within 0 to 100: the same odds in every version.
    confidence
        0 to 1: one less the Venn-Abers width as a share of the widest that counts, at most the
        completeness and the freshness of what is known.
    factors
        Share of each business factor in the drivers, unsigned; they sum to 1.
    reference_probability
        Of the typical lead that drivers are held against.
    margin
        Calibrated log-odds.
    completeness
        Share of what is usually known of a lead that is known of this one.
    """

    probability: float
    score: float
    confidence: float
    recommendation: str
    factors: dict[str, float]
    drivers: tuple[Driver, ...]
    actions: tuple[Action, ...]
    reference_probability: float
    margin: float
    completeness: float
