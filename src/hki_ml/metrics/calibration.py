"""Whether probabilities come true: by bins of equal mass, and by one straight line through log-odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

FloatArray = NDArray[np.float64]
BINS = 10
_CUT = 1e-9


@dataclass(frozen=True, slots=True)
class Bins:
    """Rows in order of what was said, cut into bins of equal mass; each of shape ``(bins,)``.

    ``said`` is the mean probability, ``seen`` the share that came true, ``mass`` the weight.
    """

    said: FloatArray
    seen: FloatArray
    mass: FloatArray


def bins(
    truth: FloatArray, score: FloatArray, weight: FloatArray | None = None, *, count: int = BINS
) -> Bins:
    """Return bins of equal mass; rows of one score stay together."""
    order = np.argsort(score, kind="stable")
    score, truth = score[order], truth[order]
    weight = np.ones(len(score)) if weight is None else weight[order]
    # A group of equal scores goes where its middle lies.
    starts = np.flatnonzero(np.concatenate([[True], score[1:] != score[:-1]]))
    group = np.add.reduceat(weight, starts)
    middle = (np.cumsum(group) - 0.5 * group) / max(group.sum(), _CUT)
    of_group = np.minimum((middle * count).astype(np.int64), count - 1)
    mass = np.bincount(of_group, group, count)
    said = np.bincount(of_group, np.add.reduceat(weight * score, starts), count)
    seen = np.bincount(of_group, np.add.reduceat(weight * truth, starts), count)
    has = mass > 0
    return Bins(said[has] / mass[has], seen[has] / mass[has], np.asarray(mass[has], np.float64))


def ece(
    truth: FloatArray, score: FloatArray, weight: FloatArray | None = None, *, count: int = BINS
) -> float:
    """Return the mean gap between what was said and what came true over bins of equal mass.

    Biased upwards: a perfect model has about .028 at 1,000 rows. See ``debiased_ece``.
    """
    found = bins(truth, score, weight, count=count)
    return float(np.average(np.abs(found.said - found.seen), weights=found.mass))


def debiased_ece(
    truth: FloatArray, score: FloatArray, weight: FloatArray | None = None, *, count: int = BINS
) -> float:
    """Return ``ece`` less what chance alone adds to it, at least 0.

    Each bin's share is taken to vary normally with its binomial variance; the gap that such a draw
    has on average beyond the gap seen is what chance adds, and is taken off once. Source: Kumar,
    Liang and Ma 2019, "Verified uncertainty calibration" (arXiv 1909.10155; ``normal_debiased_ce`` of
    their library), with the folded normal's mean in closed form instead of draws.
    """
    found = bins(truth, score, weight, count=count)
    gap = np.abs(found.said - found.seen)
    deviation = np.sqrt(np.maximum(found.seen * (1 - found.seen), _CUT) / found.mass)
    z = gap / deviation
    drawn = deviation * np.sqrt(2 / np.pi) * np.exp(-0.5 * z**2) + gap * (2 * ndtr(z) - 1)
    return float(max(np.average(2 * gap - drawn, weights=found.mass), 0.0))


def slope(truth: FloatArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Return the slope of truth on the log-odds of the score: 1 is right, below 1 is overconfident.

    By logistic regression with an intercept (Cox 1958, doi 10.1093/biomet/45.3-4.562).
    """
    said = log_odds(score)
    return float(_newton(np.column_stack([np.ones(len(said)), said]), truth, weight)[1])


def intercept(truth: FloatArray, score: FloatArray, weight: FloatArray | None = None) -> float:
    """Return by how much log-odds are too low overall (calibration in the large): 0 is right.

    By logistic regression with the said log-odds as an offset.
    """
    said = log_odds(score)
    return float(_newton(np.ones((len(said), 1)), truth, weight, offset=said)[0])


def log_odds(score: FloatArray) -> FloatArray:
    """Return the log-odds of probabilities, cut at 1e-9."""
    said = np.clip(score, _CUT, 1 - _CUT)
    return np.asarray(np.log(said) - np.log1p(-said), np.float64)


def _newton(
    design: FloatArray,
    truth: FloatArray,
    weight: FloatArray | None,
    *,
    offset: FloatArray | float = 0.0,
) -> FloatArray:
    weight = np.ones(len(truth)) if weight is None else weight
    found = np.zeros(design.shape[1])
    for _ in range(50):
        said = expit(design @ found + offset)
        slopes = design.T @ (weight * (truth - said))
        curve = (design * (weight * said * (1 - said))[:, None]).T @ design
        # NOTE: a whisper of ridge keeps the step finite where truth is all of one kind.
        step = np.linalg.solve(curve + 1e-9 * np.eye(len(found)), slopes)
        found = found + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(found, np.float64)
