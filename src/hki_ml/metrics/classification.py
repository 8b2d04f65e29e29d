"""How well probabilities tell closings from the rest, with weights so that a bootstrap costs no copies.

All functions take ``truth`` (0 or 1), ``score`` (higher is likelier; a probability where it says so) and
optionally a ``weight`` a row, each of shape ``(n,)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]
Z95 = 1.959964
_TINY = 1e-15


def auc(truth: FloatArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the probability that a closing is scored above a lead that did not close; ties count half.

    NaN if only one kind is there.

    >>> auc(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.9, 0.4, 0.4]))
    0.875
    """
    closed, other = _by_score(truth, score, weight)
    below = np.cumsum(other) - other
    pairs = closed.sum() * other.sum()
    return float((closed * (below + 0.5 * other)).sum() / pairs) if pairs > 0 else float("nan")


def auc_interval(truth: FloatArray, score: FloatArray) -> tuple[float, float]:
    """Return the 95 % interval of the AUC for independent rows (DeLong 1988, by Sun and Xu 2014).

    Source: doi 10.2307/2531595 and doi 10.1109/LSP.2014.2337313.
    """
    value = auc(truth, score)
    placed = _placements(truth, score)
    deviation = float(np.sqrt(sum(np.var(v, ddof=1) / len(v) for v in placed)))
    return max(value - Z95 * deviation, 0.0), min(value + Z95 * deviation, 1.0)


def auc_gain(
    truth: FloatArray, score: FloatArray, other: FloatArray
) -> tuple[float, tuple[float, float]]:
    """Return how much higher the AUC of ``score`` is than that of ``other``, with its 95 % interval.

    Paired by rows (DeLong 1988): both err on the same leads.
    """
    ours, theirs = _placements(truth, score), _placements(truth, other)
    off = [a - b for a, b in zip(ours, theirs, strict=True)]
    gain = auc(truth, score) - auc(truth, other)
    half = Z95 * float(np.sqrt(sum(np.var(v, ddof=1) / len(v) for v in off)))
    return gain, (gain - half, gain + half)


def average_precision(
    truth: FloatArray, score: FloatArray, weight: FloatArray | None = None
) -> float:
    """Return the area under precision over recall, as a sum of steps; a random order has the base rate.

    >>> round(average_precision(np.array([0.0, 1.0, 1.0]), np.array([0.3, 0.2, 0.9])), 4)
    0.8333
    """
    closed, other = (v[::-1] for v in _by_score(truth, score, weight))
    hits = np.cumsum(closed)
    if hits[-1] <= 0:
        return float("nan")
    return float((closed * hits / np.maximum(hits + np.cumsum(other), _TINY)).sum() / hits[-1])


def precision_at(
    truth: FloatArray, score: FloatArray, weight: FloatArray | None = None, *, share: float = 0.2
) -> float:
    """Return the share of closings among the best scored ``share`` of leads; a tie is cut pro rata.

    >>> precision_at(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.9, 0.2, 0.3]), share=0.5)
    1.0
    """
    closed, other = (v[::-1] for v in _by_score(truth, score, weight))
    total = closed + other
    wanted = share * total.sum()
    before = np.cumsum(total) - total
    part = np.clip((wanted - before) / np.maximum(total, _TINY), 0.0, 1.0)
    return float((part * closed).sum() / wanted)


def lift_at(
    truth: FloatArray, score: FloatArray, weight: FloatArray | None = None, *, share: float = 0.2
) -> float:
    """Return how many times the base rate the best scored ``share`` of leads closes."""
    return precision_at(truth, score, weight, share=share) / base_rate(truth, weight)


def precision_ceiling(base: float, *, share: float = 0.2) -> float:
    """Return the highest ``precision_at`` that any model can have at this base rate.

    >>> precision_ceiling(0.1), precision_ceiling(0.3)
    (0.5, 1.0)
    """
    return min(1.0, base / share)


def base_rate(truth: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the share of closings."""
    return float(np.average(truth, weights=weight))


def brier(truth: FloatArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the mean squared error of probabilities; always guessing the base rate b has b(1-b)."""
    return float(np.average((truth - score) ** 2, weights=weight))


def log_loss(truth: FloatArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the mean negative log-likelihood of probabilities in nats, cut at 1e-15."""
    return float(np.average(row_log_loss(truth, score), weights=weight))


def row_log_loss(truth: FloatArray, score: FloatArray) -> FloatArray:
    """Return each row's negative log-likelihood in nats, shape ``(n,)``."""
    said = np.clip(score, _TINY, 1 - _TINY)
    return np.asarray(-np.where(truth > 0, np.log(said), np.log1p(-said)), np.float64)


def _by_score(
    truth: FloatArray, score: FloatArray, weight: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return the weight of closings and of the rest at each distinct score, lowest first."""
    order = np.argsort(score, kind="stable")
    score, truth = score[order], truth[order]
    weight = np.ones(len(score)) if weight is None else weight[order]
    starts = np.flatnonzero(np.concatenate([[True], score[1:] != score[:-1]]))
    closed = np.add.reduceat(weight * truth, starts)
    return closed, np.add.reduceat(weight, starts) - closed


def _placements(truth: FloatArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return for each closing the share of others below it, for each other that of closings above it."""
    is_closed = truth > 0
    ranks = rankdata(score)
    closed, other = int(is_closed.sum()), int((~is_closed).sum())
    above = (ranks[is_closed] - rankdata(score[is_closed])) / other
    below = 1 - (ranks[~is_closed] - rankdata(score[~is_closed])) / closed
    return above, below
