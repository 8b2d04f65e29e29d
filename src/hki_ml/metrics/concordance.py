"""How well times to an end are ordered: the share of pairs in which the one said to end sooner does."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from hki_ml.metrics.survival import LEAST_KNOWN, known_so_long

P = ParamSpec("P")
R = TypeVar("R")
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel and keep its type; metrics lean on nothing that learns."""
    return cast("Callable[P, R]", njit(cache=True)(function))


def harrell_c(
    risk: FloatArray, days: FloatArray, cause: IntArray, *, weight: FloatArray | None = None
) -> float:
    """Return the share of comparable pairs in which the riskier ends first (Harrell 1982); ties half.

    >>> harrell_c(np.array([3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]))
    1.0
    """
    w = np.ones(len(days)) if weight is None else weight
    one = np.ones(len(days))
    event = (cause != 0).astype(np.int64)
    return _concordance(_ranks(risk), days, event, w, one, np.inf)


def uno_c(
    risk: FloatArray, days: FloatArray, cause: IntArray, *,
    until: float = np.inf, weight: FloatArray | None = None,
) -> float:  # fmt: skip
    """Return the share of pairs in which the one that closes earlier had the higher risk.

    Pairs are weighted by the inverse probability of being known (Uno, Cai, Pencina, D'Agostino & Wei
    2011), so the figure does not depend on how long leads were followed. A lost lead closes never:
    it is compared with everyone who closes (Wolbers, Koller, Witteman & Steyerberg 2009; weights
    of Wolbers, Blanche, Koller, Witteman & Gerds 2014).

    Parameters
    ----------
    risk
        Higher is sooner, shape ``(n,)``.
    days, cause
        Time to the end; 0 censored, 1 closed, 2 lost.
    until
        Closings from here on are not counted.
    weight
        How often each row counts: whole numbers from a bootstrap.
    """
    w = np.ones(len(days)) if weight is None else weight
    known = np.maximum(known_so_long(days, cause, weight=w).before(days), LEAST_KNOWN)
    return _concordance(_ranks(risk), days, cause.astype(np.int64), w, known, until)


def _ranks(risk: FloatArray) -> IntArray:
    _, place = np.unique(risk, return_inverse=True)
    out: IntArray = place.astype(np.int64) + 1
    return out


def _concordance(
    rank: IntArray, days: FloatArray, cause: IntArray, weight: FloatArray,
    known: FloatArray, until: float,
) -> float:  # fmt: skip
    # Of rows at one moment the closings come first: they are compared with the others of that moment.
    order = np.lexsort((cause != 1, days)).astype(np.int64)
    right, total = _pairs(order, rank, days, cause, weight, known, until)
    return float(right / total) if total > 0 else float("nan")


@compiled
def _pairs(  # noqa: C901
    order: IntArray, rank: IntArray, days: FloatArray, cause: IntArray, weight: FloatArray,
    known: FloatArray, until: float,
) -> tuple[float, float]:  # fmt: skip
    """Count weighted pairs by two passes with a Fenwick tree over the ranks: n log n."""
    n = len(order)
    top = rank.max()
    right = 0.0
    total = 0.0
    tree = np.zeros(top + 1)
    inside = 0.0
    at = n - 1
    while at >= 0:  # against those that are known to last longer
        first = at
        while first > 0 and days[order[first - 1]] == days[order[at]]:
            first -= 1
        for j in range(at, first - 1, -1):
            i = order[j]
            if cause[i] != 1:
                inside += _add(tree, rank[i], weight[i])
        for j in range(at, first - 1, -1):
            i = order[j]
            if cause[i] == 1 and days[i] < until:
                w = weight[i] / (known[i] * known[i])
                total += w * inside
                right += w * _half_below(tree, rank[i])
        for j in range(at, first - 1, -1):
            i = order[j]
            if cause[i] == 1:
                inside += _add(tree, rank[i], weight[i])
        at = first - 1
    tree[:] = 0.0
    inside = 0.0
    for j in range(n):  # against those that were lost before
        i = order[j]
        if cause[i] == 1 and days[i] < until:
            w = weight[i] / known[i]
            total += w * inside
            right += w * _half_below(tree, rank[i])
        elif cause[i] == 2:
            inside += _add(tree, rank[i], weight[i] / known[i])
    return right, total


@compiled
def _add(tree: FloatArray, rank: int, amount: float) -> float:
    while rank < len(tree):
        tree[rank] += amount
        rank += rank & -rank
    return amount


@compiled
def _half_below(tree: FloatArray, rank: int) -> float:
    """Return the weight of lower ranks and half of the same one."""
    return 0.5 * (_sum(tree, rank) + _sum(tree, rank - 1))


@compiled
def _sum(tree: FloatArray, rank: int) -> float:
    found = 0.0
    while rank > 0:
        found += tree[rank]
        rank -= rank & -rank
    return found
