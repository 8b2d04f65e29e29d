"""All open deals and all investors at once: who is offered what, within everybody's capacity.

Each offer of today makes the next to the same investor less likely to be answered. The best assignment is a
linear programme over (deal, investor, first, second, … offer): its constraints are two nested families, so
the matrix is totally unimodular and the optimum is whole without asking for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OFFERS_A_DEAL = 5
USUAL_CAPACITY = 3.0  # of who named none
MOST_OFFERS = 6  # to one investor at once
TIRING = 0.1  # log-odds that one more offer of today costs
CANDIDATES = 80  # of a deal, the likeliest


@dataclass(frozen=True, eq=False)
class Portfolio:
    """Who is offered which deal: pairs of places, in the order in which each investor is asked.

    Attributes
    ----------
    deal, investor
        Shape ``(n,)``.
    turn
        0 for the first offer to that investor, 1 for the second, …
    expected
        Positive answers that the model expects.
    """

    deal: IntArray
    investor: IntArray
    turn: IntArray
    expected: float


def capacity_of(left: FloatArray) -> IntArray:
    """Return how many offers each investor can take: as many as it could buy this month, at most six."""
    known = np.where(np.isnan(left), USUAL_CAPACITY, left)
    return np.clip(np.floor(known), 0, MOST_OFFERS).astype(np.int64)


def greedy(
    margins: FloatArray, left: FloatArray, *, a_deal: int = OFFERS_A_DEAL, tiring: float = TIRING
) -> Portfolio:
    """Return what deal after deal would do: each takes its best investors who still have capacity.

    Parameters
    ----------
    margins
        Log-odds of a positive answer, ``-inf`` for who cannot be asked, shape ``(deals, investors)``.
    left
        How many more deals each investor can buy, NaN for not said, shape ``(investors,)``.
    """
    capacity = capacity_of(left)
    used = np.zeros(len(capacity), np.int64)
    pairs = []
    for deal in range(len(margins)):
        now = np.where(used < capacity, margins[deal] - tiring * used, -np.inf)
        for investor in np.argsort(-now, kind="stable")[:a_deal]:
            if np.isfinite(now[investor]):
                pairs.append((deal, int(investor), int(used[investor])))
                used[investor] += 1
    return _portfolio(pairs, margins, tiring)


def together(
    margins: FloatArray, left: FloatArray, *, a_deal: int = OFFERS_A_DEAL, tiring: float = TIRING
) -> Portfolio:
    """Return the assignment with the most expected answers; as `greedy` otherwise."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_matrix

    capacity = capacity_of(left)
    deal, investor, turn = _variables(margins, capacity)
    if not len(deal):
        return _portfolio([], margins, tiring)
    worth = _probability(margins[deal, investor] - tiring * turn)
    one, count = np.ones(len(deal)), np.arange(len(deal))
    families = (deal, deal * margins.shape[1] + investor, investor * MOST_OFFERS + turn)
    limits = (a_deal, 1, 1)
    rows, bounds, begin = [], [], 0
    for family, limit in zip(families, limits, strict=True):
        names, place = np.unique(family, return_inverse=True)
        rows.append(place + begin)
        bounds.append(np.full(len(names), float(limit)))
        begin += len(names)
    matrix = coo_matrix(
        (np.tile(one, 3), (np.concatenate(rows), np.tile(count, 3))), shape=(begin, len(deal))
    )
    found = linprog(
        -worth, A_ub=matrix.tocsr(), b_ub=np.concatenate(bounds), bounds=(0, 1), method="highs-ds"
    )
    chosen = np.flatnonzero(found.x > 0.5)
    pairs = sorted(zip(investor[chosen], turn[chosen], deal[chosen], strict=True))
    # Turns without a gap: an investor that is asked once is asked first.
    whole, last, used = [], -1, 0
    for who, _, what in pairs:
        used = 0 if who != last else used + 1
        last = who
        whole.append((int(what), int(who), used))
    return _portfolio(whole, margins, tiring)


def _variables(margins: FloatArray, capacity: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return deal, investor and turn of every offer that could be made, pruned to likely ones."""
    parts = []
    for deal, row in enumerate(margins):
        open_to = np.flatnonzero(np.isfinite(row) & (capacity > 0))
        best = open_to[np.argsort(-row[open_to], kind="stable")[:CANDIDATES]]
        turns = capacity[best]
        who = np.repeat(best, turns)
        turn = np.arange(len(who)) - np.repeat(np.cumsum(turns) - turns, turns)
        parts.append(np.stack([np.full(len(who), deal), who, turn]).astype(np.float64))
    whole = np.concatenate(parts, axis=1) if parts else np.zeros((3, 0))
    return whole[0].astype(np.int64), whole[1].astype(np.int64), whole[2].astype(np.int64)


def _portfolio(pairs: list[tuple[int, int, int]], margins: FloatArray, tiring: float) -> Portfolio:
    deal, investor, turn = np.array(sorted(pairs), np.int64).reshape(-1, 3).T
    return Portfolio(deal, investor, turn, expected(margins, deal, investor, turn, tiring=tiring))


def expected(
    margins: FloatArray, deal: IntArray, investor: IntArray, turn: IntArray, *,
    tiring: float | FloatArray = TIRING,
) -> float:  # fmt: skip
    """Return how many positive answers such offers bring, by these log-odds.

    Parameters
    ----------
    tiring
        Log-odds that one more offer costs; one for all, or of each offer's investor.
    """
    return float(_probability(margins[deal, investor] - tiring * turn).sum())


def _probability(margin: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-margin)), np.float64)
