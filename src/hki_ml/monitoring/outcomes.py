"""How good a model is now, from labels that have matured, beside how good it was when it was judged."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from hki_ml.metrics.calibration import debiased_ece
from hki_ml.metrics.classification import auc, auc_interval, row_log_loss
from hki_ml.metrics.clusters import clustered
from hki_ml.metrics.concordance import uno_c
from hki_ml.metrics.interval import share_interval
from hki_ml.metrics.paired import gap
from hki_ml.monitoring.check import Check, Rules, unknown

FloatArray = NDArray[np.float64]
Measure = Callable[[FloatArray, FloatArray], float]
RULES = Rules()
LEAST_OF_A_KIND = 20  # closings, and others: fewer say nothing of an order
EXCESS = 0.02  # nats a row that a calibrated model may lose to noise of its own calibration
COVERAGE_OFF = 2.0  # percentage points, the figure that the platform is held to


def yes_or_no(
    reference: pd.DataFrame, current: pd.DataFrame, *, rules: Rules = RULES
) -> list[Check]:
    """Return the checks of a model of probabilities: AUC, precision, recall, calibration, excess loss.

    Parameters
    ----------
    reference, current
        Rows of ``learning.judged``: the champion's trial, and what has matured since; the rows of one
        ``entity`` count together.
    """
    truth = current["outcome"].to_numpy(np.float64)
    ones = int(truth.sum())
    n = current["entity"].nunique()
    names = ("AUC", "precision", "recall", "dECE", "excess log loss")
    if n < rules.least_labels or min(ones, len(truth) - ones) < LEAST_OF_A_KIND:
        why = (
            f"{n} matured entities with {ones} yes, expected {rules.least_labels} and "
            f"{LEAST_OF_A_KIND} of each kind"
        )
        return [unknown("performance", name, n, why) for name in names]
    return [
        _auc(reference, current, rules),
        *_at_a_cut(reference, current, rules),
        _calibration(reference, current),
        excess_loss(reference, current, rules=rules),
    ]


def _auc(reference: pd.DataFrame, current: pd.DataFrame, rules: Rules) -> Check:
    before, now = (auc(*_told(each)) for each in (reference, current))
    one = current.drop_duplicates("entity")
    low, high = auc_interval(*_told(one)) if _has_both(one) else (np.nan, np.nan)
    half = (high - low) / 2 * np.sqrt(_drift_of_two(reference, one))
    line = before * (1 - rules.raw_auc_loss)
    bound = now + half / 1.959964 * float(norm.isf(rules.tail))
    return Check(
        "performance", "AUC", len(one), value=now, lower=now - half, upper=now + half,
        reference=before, threshold=line, raw_signal=now < line,
        signal=bool(now < line and bound < before), at_once=bool(now < line and bound < before),
        detail={"rows": len(current), "bound": bound},
    )  # fmt: skip


def _drift_of_two(reference: pd.DataFrame, current: pd.DataFrame) -> float:
    """Return by what the variance of a figure grows because its reference is a sample too."""
    return 1.0 + len(current) / max(reference["entity"].nunique(), 1)


def _has_both(rows: pd.DataFrame) -> bool:
    return bool(rows["outcome"].nunique() == 2)


def _told(rows: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
    return rows["outcome"].to_numpy(np.float64), rows["probability"].to_numpy(np.float64)


def _at_a_cut(reference: pd.DataFrame, current: pd.DataFrame, rules: Rules) -> list[Check]:
    """Return precision and recall above the score that a fifth of the reference exceeded."""
    cut = float(np.quantile(reference["probability"], 0.8))
    found = []
    for name in ("precision", "recall"):
        before, _ = _hits(reference, cut, name)
        now, n = _hits(current, cut, name)
        if n < LEAST_OF_A_KIND:
            found.append(unknown("performance", name, n, f"{n} rows to take a share of"))
            continue
        low, high = (each / 100 for each in share_interval(100 * now, n))
        found.append(
            Check(
                "performance", name, n, value=now, lower=low, upper=high, reference=before,
                threshold=before * (1 - rules.raw_auc_loss), signal=False,
                raw_signal=now < before * (1 - rules.raw_auc_loss), detail={"cut": cut},
            )
        )  # fmt: skip
    return found


def _hits(rows: pd.DataFrame, cut: float, name: str) -> tuple[float, int]:
    truth, said = _told(rows)
    among = said >= cut if name == "precision" else truth > 0
    hit = truth > 0 if name == "precision" else said >= cut
    n = int(among.sum())
    return (float(hit[among].mean()) if n else float("nan")), n


def _calibration(reference: pd.DataFrame, current: pd.DataFrame) -> Check:
    before, now = (debiased_ece(*_told(each)) for each in (reference, current))
    truth, said = _told(current)
    found = clustered(
        lambda w: debiased_ece(truth, said, w), current["entity"].to_numpy(), draws=100
    )
    return Check(
        "performance", "dECE", current["entity"].nunique(), value=now, lower=found.low,
        upper=found.high, reference=before, threshold=0.05, raw_signal=now > 0.05, signal=False,
    )  # fmt: skip


def excess_loss(reference: pd.DataFrame, current: pd.DataFrame, *, rules: Rules = RULES) -> Check:
    """Return how much more the model lost than it said itself that it would, on the very same rows.

    Row by row, the log loss that came true less the entropy of what was said: 0 on average if every
    probability is right, whoever is asked about. So a change of the leads alone moves nothing, a
    change of what becomes of them does. Signals if the lower bound over entities is above the
    reference's own excess by more than a calibration of this size may be off.
    """
    before, now = (_excess(*_told(each)) for each in (reference, current))
    entity = current["entity"].to_numpy()
    seen = gap(now, entity)
    sure = gap(now, entity, confidence=1 - 2 * rules.tail)
    own = max(float(before.mean()), 0.0)
    signal = sure.low > own + EXCESS
    return Check(
        "performance", "excess log loss", seen.entities, value=seen.mean, lower=seen.low,
        upper=seen.high, reference=own, threshold=own + EXCESS, raw_signal=seen.mean > own + EXCESS,
        signal=signal, at_once=signal, detail={"bound": sure.low, "rows": seen.n},
    )  # fmt: skip


def _excess(truth: FloatArray, said: FloatArray) -> FloatArray:
    p = np.clip(said, 1e-9, 1 - 1e-9)
    entropy = -(p * np.log(p) + (1 - p) * np.log1p(-p))
    return np.asarray(row_log_loss(truth, p) - entropy, np.float64)


def amounts(
    name: str, measure: Measure, reference: tuple[FloatArray, FloatArray],
    current: tuple[FloatArray, FloatArray], *, rules: Rules = RULES, allowed: float = 0.05,
) -> Check:  # fmt: skip
    """Return the check of an error that is lower when better (MdAPE), with a bootstrap interval.

    Parameters
    ----------
    reference, current
        Truth and value, each of shape ``(n,)``.
    allowed
        Share by which the error may be higher than it was.
    """
    n = len(current[0])
    if min(n, len(reference[0])) < rules.least_labels:
        return unknown("performance", name, n, f"{n} labels, expected {rules.least_labels}")
    before, now = measure(*reference), measure(*current)
    random = np.random.default_rng(0)
    ratios = np.empty(rules.draws)
    found = np.empty(rules.draws)
    for i in range(rules.draws):
        a, b = (random.integers(0, len(each[0]), len(each[0])) for each in (reference, current))
        found[i] = measure(current[0][b], current[1][b])
        ratios[i] = found[i] / measure(reference[0][a], reference[1][a])
    low, high = np.quantile(found, [0.025, 0.975])
    line = 1 + allowed
    bound = float(np.exp(np.log(ratios).mean() - np.log(ratios).std() * norm.isf(rules.tail)))
    signal = now > before * line and bound > 1.0
    return Check(
        "performance", name, n, value=now, lower=float(low), upper=float(high), reference=before,
        threshold=before * line, raw_signal=now > before * line, signal=signal, at_once=signal,
        detail={"ratio_bound": bound},
    )  # fmt: skip


def order(reference: pd.DataFrame, current: pd.DataFrame, *, rules: Rules = RULES) -> Check:
    """Return the check of a model of time: Uno's C of what closed sooner, over drawn entities.

    Parameters
    ----------
    reference, current
        Rows of ``learning.judged`` with the columns of ``WAITED``.
    """
    name, n, closings = "C", current["entity"].nunique(), int((current["cause"] == 1).sum())
    if n < rules.least_labels or closings < LEAST_OF_A_KIND:
        why = f"{n} entities with {closings} closings, expected {rules.least_labels} and {LEAST_OF_A_KIND}"
        return unknown("performance", name, n, why)
    until = float(min(reference["days"].max(), current["days"].max()))

    def measured(rows: pd.DataFrame, weight: FloatArray | None = None) -> float:
        expected, days = (rows[each].to_numpy(np.float64) for each in ("expected_days", "days"))
        cause = rows["cause"].to_numpy(np.int64)
        return uno_c(-expected, days, cause, until=until, weight=weight)

    before = measured(reference)
    found = clustered(lambda w: measured(current, w), current["entity"].to_numpy(), draws=100)
    low, high = found.low or np.nan, found.high or np.nan
    half = (high - low) / 2 * np.sqrt(_drift_of_two(reference, current.drop_duplicates("entity")))
    line = before * (1 - rules.raw_auc_loss)
    bound = found.value + half / 1.959964 * float(norm.isf(rules.tail))
    signal = bool(found.value < line and bound < before)
    return Check(
        "performance", name, n, value=found.value, lower=found.value - half, upper=found.value + half,
        reference=before, threshold=line, raw_signal=found.value < line, signal=signal, at_once=signal,
        detail={"rows": len(current), "closings": closings, "bound": bound},
    )  # fmt: skip


def covered(held: NDArray[np.bool_], *, level: float, rules: Rules = RULES) -> Check:
    """Return whether intervals hold as often as they say, in percent, with Wilson's interval.

    Signals where they are off by more than ``COVERAGE_OFF`` points and chance would do it less often than
    once in a thousand; intervals that are off are not to be served a second month.

    Parameters
    ----------
    held
        Whether each interval held what came true, shape ``(n,)``.
    """
    name, n = f"coverage {level:g} %", len(held)
    if n < rules.least_labels:
        return unknown("performance", name, n, f"{n} labels, expected {rules.least_labels}")
    seen = 100 * float(np.mean(held))
    below, above = share_interval(seen, n)
    is_off = abs(seen - level) > COVERAGE_OFF
    chance = float(norm.sf(abs(seen - level) / np.sqrt(level * (100 - level) / n)))
    signal = is_off and chance < rules.tail
    return Check(
        "performance", name, n, value=seen, lower=below, upper=above, reference=level,
        threshold=COVERAGE_OFF, raw_signal=is_off, signal=signal, at_once=signal,
    )  # fmt: skip
