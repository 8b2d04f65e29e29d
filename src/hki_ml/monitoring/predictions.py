"""Whether what a model says has moved, and what it should be worth before labels can tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hki_ml.metrics.classification import auc
from hki_ml.monitoring.check import Check, Rules, unknown
from hki_ml.monitoring.distance import numbers, psi_by_chance

FloatArray = NDArray[np.float64]
RULES = Rules()
LASTING_PSI = 0.10


def prediction_drift(
    reference: FloatArray, current: FloatArray, *, subject: str = "prediction", rules: Rules = RULES
) -> Check:
    """Return whether predictions have moved, by the PSI over the reference's deciles.

    A signal is a PSI above .1 and above what chance exceeds once in a thousand windows; above .2 it
    needs no second window. The raw signal is PSI > .2 alone.
    """
    n = min(len(reference), len(current))
    if n < rules.least_rows:
        why = f"{n} predictions, expected at least {rules.least_rows}"
        return unknown("prediction_drift", subject, len(current), why)
    move = numbers(reference, current)
    chance, threshold = psi_by_chance(
        move.reference, len(current), level=rules.tail, draws=max(rules.draws, 2_000)
    )
    signal = move.psi > max(LASTING_PSI, threshold)
    return Check(
        "prediction_drift", subject, len(current), value=move.psi, reference=chance,
        threshold=max(LASTING_PSI, threshold), raw_signal=move.psi > rules.raw_psi, signal=signal,
        at_once=signal and move.psi > rules.raw_psi,
        detail={"ks": move.effect, "p": move.p, "by_chance_mean": chance},
    )  # fmt: skip


def expected_auc(probability: FloatArray) -> float:
    """Return the AUC that probabilities have on their own rows if every one of them is right.

    Confidence-based performance estimation: truths are replaced by their probabilities. It sees a
    change of whom the model is asked about, and none of what becomes of them.

    >>> round(expected_auc(np.array([0.1, 0.9])), 3)
    0.988
    """
    c = probability[np.argsort(probability, kind="stable")]
    below = np.cumsum(1 - c) - (1 - c)
    pairs = c.sum() * (1 - c).sum() - (c * (1 - c)).sum()
    return float((c * below).sum() / pairs) if pairs > 0 else float("nan")


def estimated_performance(
    reference: FloatArray, current: FloatArray, *, rules: Rules = RULES, seed: int = 0
) -> Check:
    """Return the AUC that the window's labels may be expected to show, with its 95 % interval.

    The interval is over drawn rows and drawn labels: what a matured window of this size may come to.
    It alarms nobody by itself: it is blind to a change of what becomes of leads.

    Parameters
    ----------
    reference, current
        Calibrated probabilities, of the model's trial and of the window.
    """
    n = min(len(reference), len(current))
    if n < rules.least_rows:
        why = f"{n} predictions, expected at least {rules.least_rows}"
        return unknown("estimated_performance", "AUC", len(current), why)
    before, now = expected_auc(reference), expected_auc(current)
    low, high = _drawn(current, auc, draws=200, seed=seed)
    fell = now < before * (1 - rules.raw_auc_loss)
    return Check(
        "estimated_performance", "AUC", len(current), value=now, lower=low, upper=high,
        reference=before, threshold=before * (1 - rules.raw_auc_loss), raw_signal=fell,
        signal=fell and high < before, detail={"method": "CBPE"},
    )  # fmt: skip


def _drawn(
    probability: FloatArray,
    measure: Callable[[FloatArray, FloatArray], float],
    *,
    draws: int,
    seed: int,
) -> tuple[float, float]:
    random = np.random.default_rng(seed)
    found = np.empty(draws)
    for i in range(draws):
        said = probability[random.integers(0, len(probability), len(probability))]
        found[i] = measure((random.random(len(said)) < said).astype(np.float64), said)
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(low), float(high)
