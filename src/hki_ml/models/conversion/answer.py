"""What is said of whether a lead will close."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConversionAnswer:
    """How likely a lead closes, by when, through which stages.

    Attributes
    ----------
    horizons
        Days with the probability of having closed by then; never falling with the days.
    stages
        From, to and probability within 90 days, from the stage where the lead stands on: to the next
        stage, and to being lost. A lead that closes has passed every stage, recorded or not, so that
        the product along the way up is the probability of closing within 90 days.
    is_anchored
        Whether the curve was made to meet a stated probability.
    """

    horizons: tuple[tuple[int, float], ...]
    stages: tuple[tuple[str, str, float], ...]
    is_anchored: bool
