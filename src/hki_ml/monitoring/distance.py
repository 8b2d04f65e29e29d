"""How far a column has moved: distances between what was learned from and what is seen now."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, ks_2samp

FloatArray = NDArray[np.float64]
DECILES = np.linspace(0.1, 0.9, 9)
_HALF = 0.5  # added to each count, so that an empty bin has a logarithm


@dataclass(frozen=True, slots=True)
class Moved:
    """A column's move: ``effect`` is the KS distance or the largest change of a category's share."""

    effect: float
    p: float
    psi: float
    reference: FloatArray
    current: FloatArray


def numbers(reference: FloatArray, current: FloatArray) -> Moved:
    """Return how far numbers have moved (no NaN among them), with the PSI over the reference's deciles.

    Equal-width bins would be blinded by one outlier, so the bins are the reference's own deciles;
    the outermost are open. Source of PSI: Siddiqi 2006, §7; of the p-value: Hodges 1958 (asymptotic).

    Examples
    --------
    >>> same = np.arange(1000.0)
    >>> numbers(same, same).effect, round(numbers(same, same + 500).effect, 2)
    (0.0, 0.5)
    """
    found = ks_2samp(reference, current, method="asymp")
    cuts = np.unique(np.quantile(reference, DECILES))
    counts = [
        np.bincount(np.searchsorted(cuts, values, side="left"), minlength=len(cuts) + 1)
        for values in (reference, current)
    ]
    first, second = (each.astype(np.float64) for each in counts)
    return Moved(float(found.statistic), float(found.pvalue), psi(first, second), first, second)


def categories(reference: FloatArray, current: FloatArray) -> Moved:
    """Return how far categories have moved, from how often each was seen; shapes ``(categories,)``.

    The p-value is of Pearson's chi-square test of homogeneity, rare categories taken together.
    """
    first, second = _rare_together(reference, current)
    shares = first / first.sum(), second / second.sum()
    effect = float(np.abs(shares[0] - shares[1]).max()) if len(first) else 0.0
    return Moved(effect, _homogeneity(first, second), psi(first, second), first, second)


def psi(reference: FloatArray, current: FloatArray) -> float:
    """Return the population stability index of two rows of counts.

    >>> psi(np.array([50.0, 50.0]), np.array([500.0, 500.0]))
    0.0
    """
    p, q = _smoothed(reference), _smoothed(current)
    return float(((q - p) * np.log(q / p)).sum())


def psi_by_chance(
    reference: FloatArray, n: int, *, level: float, draws: int, seed: int = 0
) -> tuple[float, float]:
    """Return the mean of the PSI, and the value it exceeds with chance ``level``, if nothing moved.

    Both samples are drawn again from the reference's shares (parametric bootstrap), so that the
    index's bias of about (bins - 1)(1/n + 1/m) is not taken for a move.

    Parameters
    ----------
    reference
        Counts of the reference by bin, shape ``(bins,)``.
    n
        Rows of the window.
    """
    random = np.random.default_rng(seed)
    shares = reference / reference.sum()
    first = random.multinomial(int(reference.sum()), shares, size=draws)
    second = random.multinomial(n, shares, size=draws)
    p, q = _smoothed(first), _smoothed(second)
    found = ((q - p) * np.log(q / p)).sum(axis=1)
    return float(found.mean()), float(np.quantile(found, 1 - level))


def false_discovery_adjusted(p: FloatArray) -> FloatArray:
    """Return p-values adjusted so that a cut keeps the share of false ones (Benjamini, Hochberg 1995).

    >>> false_discovery_adjusted(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    n = len(p)
    order = np.argsort(p)[::-1]
    scaled = p[order] * n / np.arange(n, 0, -1)
    adjusted = np.empty(n)
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return adjusted


def _smoothed(counts: NDArray[np.generic]) -> FloatArray:
    raised = counts.astype(np.float64) + _HALF
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float64)


def _rare_together(reference: FloatArray, current: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the counts with all categories of less than five expected rows as one."""
    whole = reference + current
    expected = whole * min(reference.sum(), current.sum()) / max(whole.sum(), 1.0)
    is_rare = expected < 5
    if is_rare.sum() < 2:
        return reference, current
    kept = [np.append(each[~is_rare], each[is_rare].sum()) for each in (reference, current)]
    return kept[0], kept[1]


def _homogeneity(first: FloatArray, second: FloatArray) -> float:
    whole = first + second
    seen = np.stack([first, second])[:, whole > 0]
    if seen.shape[1] < 2:
        return 1.0
    expected = seen.sum(axis=1, keepdims=True) * seen.sum(axis=0) / seen.sum()
    statistic = float(((seen - expected) ** 2 / expected).sum())
    return float(chi2.sf(statistic, seen.shape[1] - 1))
