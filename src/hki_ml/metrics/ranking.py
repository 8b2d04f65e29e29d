"""How good a ranking of candidates is, list by list; a list is a deal, its items who could see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CUT = 5


def by_list(lists: IntArray, truth: FloatArray, score: FloatArray) -> dict[str, FloatArray]:
    """Return the measures of each list, each of shape ``(lists,)``.

    ``HR@k`` whether a relevant item is among the first k, ``MRR`` one over the place of the first
    relevant one, ``P@5`` and its ``ceiling`` (what a perfect ranking gets), ``NDCG@5`` (Järvelin and
    Kekäläinen 2002; NaN where nothing is relevant). Ties are broken by the order of the rows.

    Parameters
    ----------
    lists
        The list of each item, 0, 1, …; ``truth`` 1 for relevant, ``score`` higher first; each ``(n,)``.

    Examples
    --------
    >>> found = by_list(np.zeros(3, int), np.array([0.0, 1.0, 0.0]), np.array([3.0, 2.0, 1.0]))
    >>> float(found["MRR"][0]), float(found["HR@1"][0])
    (0.5, 0.0)
    """
    order = np.lexsort((np.arange(len(lists)), -score, lists))
    count = np.bincount(lists)
    start = np.concatenate([[0], np.cumsum(count)[:-1]])
    of, hit = lists[order], truth[order]
    place = np.arange(len(lists)) - start[of]
    n = len(count)
    relevant = np.bincount(of, hit, minlength=n)
    first = np.full(n, np.inf)
    np.minimum.at(first, of[hit > 0], place[hit > 0].astype(np.float64))
    gain = np.where(place < CUT, hit / np.log2(place + 2.0), 0.0)
    best = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(CUT) + 2.0))])
    ideal = best[np.minimum(relevant, CUT).astype(int)]
    with np.errstate(invalid="ignore"):
        ndcg = np.where(ideal > 0, np.bincount(of, gain, minlength=n) / ideal, np.nan)
    return {
        "P@5": np.bincount(of, hit * (place < CUT), minlength=n) / CUT,
        "P@5 ceiling": np.minimum(relevant, CUT) / CUT,
        "MRR": np.where(np.isfinite(first), 1 / (first + 1), 0.0),
        "NDCG@5": ndcg,
        "HR@1": (first < 1).astype(np.float64),
        "HR@5": (first < 5).astype(np.float64),
        "HR@10": (first < 10).astype(np.float64),
    }


def exposure(
    lists: IntArray, items: IntArray, score: FloatArray, *, of: int
) -> tuple[float, float]:
    """Return which share of ``of`` items comes into any first five, and the Gini of how often.

    Examples
    --------
    >>> exposure(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.zeros(4), of=2)
    (1.0, 0.0)
    """
    order = np.lexsort((np.arange(len(lists)), -score, lists))
    start = np.concatenate([[0], np.cumsum(np.bincount(lists))[:-1]])
    place = np.arange(len(lists)) - start[lists[order]]
    shown = np.sort(np.bincount(items[order][place < CUT], minlength=of).astype(np.float64))
    total = shown.sum()
    if total == 0:
        return 0.0, 0.0
    gini = 2 * float(np.sum(np.arange(1, of + 1) * shown)) / (of * total) - (of + 1) / of
    return float((shown > 0).mean()), float(gini)
