"""All deals that are to be placed, at once: who is offered which, in which order, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.errors import BadInput
from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.models.investor_matching.answer import Reason
from hki_ml.models.investor_matching.portfolio import (
    OFFERS_A_DEAL,
    TIRING,
    Portfolio,
    capacity_of,
    greedy,
    together,
)
from hki_ml.models.investor_matching.predict import LEFT, Candidates, InvestorMatcher

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_DEALS = 200
MOST_OFFERS_A_DEAL = 20
TODAY = "offers of today"


@dataclass(frozen=True, slots=True)
class Offer:
    """One offer of a deal to an investor.

    ``turn`` is 1 for the first that the investor gets today; each makes the next less likely to be
    answered well, which stands among the reasons. They and ``reference`` add up to the log-odds.
    """

    investor_id: str
    turn: int
    score: float
    probability: float
    reasons: tuple[Reason, ...]
    reference: float


@dataclass(frozen=True, slots=True)
class Placing:
    """The offers of a deal, the likeliest first, and how many of all investors would admit it."""

    offers: tuple[Offer, ...]
    admitted: int


@dataclass(frozen=True, slots=True)
class PlanAnswer:
    """Who is offered what.

    Attributes
    ----------
    deals
        In the order of the question.
    expected
        Positive answers that are expected of all offers together.
    one_by_one
        The same where deal after deal took its best, within the same capacities.
    at_capacity
        Investors who are offered as many as they can take.
    """

    deals: tuple[Placing, ...]
    expected: float
    one_by_one: float
    at_capacity: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Could:
    """Who could be offered which deal.

    Attributes
    ----------
    candidates
        Of each deal.
    who
        Places in the pool of all of them, shape ``(n,)``.
    margins
        Log-odds, ``-inf`` where not; shape ``(deals, n)``.
    left
        How many more each can take, shape ``(n,)``.
    """

    candidates: tuple[Candidates, ...]
    who: IntArray
    margins: FloatArray
    left: FloatArray

    @classmethod
    def of(
        cls,
        model: InvestorMatcher,
        deals: Sequence[Mapping[str, Any]],
        pool: InvestorPool,
        *,
        as_of: datetime,
    ) -> Could:
        """Ask the matcher about each deal."""
        found = tuple(model.candidates(deal, pool, as_of=as_of) for deal in deals)
        who = np.unique(np.concatenate([np.empty(0, np.int64), *(each.rows for each in found)]))
        margins = np.full((len(deals), len(who)), -np.inf)
        left = np.full(len(who), np.nan)
        for at, each in enumerate(found):
            places = np.searchsorted(who, each.rows)
            margins[at, places] = each.margin
            left[places] = each.table[:, LEFT]
        return cls(found, who, margins, left)


def plan(
    model: InvestorMatcher,
    deals: Sequence[Mapping[str, Any]],
    pool: InvestorPool,
    *,
    as_of: datetime,
    a_deal: int = OFFERS_A_DEAL,
) -> PlanAnswer:
    """Return the assignment of deals to investors with the most expected positive answers.

    Never worse than deal after deal: where pruning should make it so, that is what is answered.

    Raises
    ------
    BadInput
        If there are more than 200 deals, or offers a deal are not 1 to 20.
    """
    if len(deals) > MOST_DEALS:
        raise BadInput(f"deals: expected at most {MOST_DEALS}, got {len(deals)}")
    if not 1 <= a_deal <= MOST_OFFERS_A_DEAL:
        raise BadInput(f"offers a deal: expected 1 to {MOST_OFFERS_A_DEAL}, got {a_deal}")
    could = Could.of(model, deals, pool, as_of=as_of)
    margins, left = could.margins, could.left
    one_by_one = greedy(margins, left, a_deal=a_deal)
    best = max(together(margins, left, a_deal=a_deal), one_by_one, key=lambda each: each.expected)
    used = np.bincount(best.investor, minlength=len(left))
    is_full = (used > 0) & (used >= capacity_of(left))
    return PlanAnswer(
        tuple(_placing(model, pool, best, could, at) for at in range(len(deals))),
        best.expected,
        one_by_one.expected,
        tuple(str(pool.ids[each]) for each in could.who[is_full]),
    )


def _placing(
    model: InvestorMatcher, pool: InvestorPool, best: Portfolio, could: Could, at: int
) -> Placing:
    asked = could.candidates[at]
    mine = np.flatnonzero(best.deal == at)
    offers = []
    for investor, turn in zip(
        could.who[best.investor[mine]], best.turn[mine].tolist(), strict=True
    ):
        row = int(np.searchsorted(asked.rows, investor))
        reasons, reference = model.reasons(asked.table[row])
        tired = -TIRING * turn
        if turn:
            text = f"{turn} before it today: divides the odds by {np.exp(-tired):.2f}"
            reasons = (*reasons, Reason(TODAY, tired, text))
        probability = float(1 / (1 + np.exp(-(asked.margin[row] + tired))))
        offers.append(
            Offer(str(pool.ids[investor]), turn + 1, 100 * probability, probability, reasons, reference)
        )  # fmt: skip
    offers.sort(key=lambda each: (-each.probability, each.investor_id))
    return Placing(tuple(offers), asked.admitted)
