"""What a title search may find of a home: how many liens, of which kinds and sizes, and what each does.

A change of a number here leaves ``path``'s compiled code stale: touch that file too.
"""

from __future__ import annotations

import numpy as np

from hki_ml.learning.compiled import compiled
from hki_ml.simulation.chance import uniform

LIEN_KINDS: tuple[str, ...] = ("tax", "mechanics", "judgment", "mortgage", "lis_pendens")
LIEN_SHARES = (0.3, 0.5, 0.7, 0.85, 1.0)  # of a drawn lien, added up
LIEN_EFFECTS = (1.0, 1.0, 1.5, 1.3, 2.4)  # log-odds a day of falling through
LIEN_SIZES = (0.015, 0.02, 0.04, 0.12, 0.1)  # median share of the worth
LIEN_SIZE_EFFECT = 5.0  # of a share of the worth of 1, up to LARGEST_LIEN
LARGEST_LIEN = 0.4
SEARCH_FIRST, SEARCH_DAYS = 2, 5  # a title search tells on one of five days from the second on
MOST_LIENS = 3
_DRAWS = 20_000  # counters of a lead's liens, above those of its days


@compiled
def lien_kind(key: np.uint64, number: int) -> int:
    """Return the place in ``LIEN_KINDS`` of the numbered lien that a lead's title search may find."""
    drawn = uniform(key, _DRAWS + 4 * number)
    for kind in range(len(LIEN_SHARES)):
        if drawn < LIEN_SHARES[kind]:
            return kind
    return len(LIEN_SHARES) - 1


@compiled
def lien_size(key: np.uint64, number: int) -> float:
    """Return the amount of the numbered lien as a share of the home's worth."""
    spread = 2.0 * uniform(key, _DRAWS + 4 * number + 1) - 1.0
    return float(LIEN_SIZES[lien_kind(key, number)] * np.exp(1.2 * spread))


@compiled
def lien_count(key: np.uint64) -> int:
    """Return how many liens there are if there are any."""
    drawn = uniform(key, _DRAWS + 2)
    return 1 if drawn < 0.6 else (2 if drawn < 0.9 else MOST_LIENS)


@compiled
def lien_effect(key: np.uint64, number: int) -> float:
    """Return what the numbered lien adds to the log-odds a day of falling through."""
    size = min(lien_size(key, number), LARGEST_LIEN)
    return float(LIEN_EFFECTS[lien_kind(key, number)] + LIEN_SIZE_EFFECT * size)


@compiled
def found_today(key: np.uint64, drawn: float, days: int, title: float) -> int:
    """Return how many liens the title search tells of so many days after the contract.

    Parameters
    ----------
    drawn
        In [0, 1), of the day.
    title
        P(the title has any), of which none has been told so far.
    """
    tried = days - SEARCH_FIRST
    if not 0 <= tried < SEARCH_DAYS:
        return 0
    # A fifth of them a day: with none told so far, there are ever less likely any.
    share = title / SEARCH_DAYS
    return lien_count(key) if drawn < share / (1.0 - share * tried) else 0
