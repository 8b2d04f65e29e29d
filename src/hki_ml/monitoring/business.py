"""What a decision brings, by the leads that a lot kept out of it: closings, dollars, return on its cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from hki_ml.monitoring.check import Check, Rules, unknown

FloatArray = NDArray[np.float64]
RULES = Rules()
_95 = float(norm.isf(0.025))


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """Matured leads of both arms of a lot; drawn at random, so a difference is a cause's.

    Attributes
    ----------
    treated, held_out
        What the arms are called.
    ours, theirs
        Whether each lead of either arm closed (0 or 1).
    our_value, their_value
        What its home was worth when it came, in USD.
    """

    treated: str
    held_out: str
    ours: FloatArray
    theirs: FloatArray
    our_value: FloatArray
    their_value: FloatArray

    @classmethod
    def of(
        cls, closed: pd.Series, value_usd: pd.Series, arm: pd.Series, *, treated: str, held_out: str
    ) -> Arms:
        """Split leads by what they drew; who drew neither is left out."""
        first, second = ((arm == name).to_numpy(bool) for name in (treated, held_out))
        truth, value = closed.to_numpy(np.float64), value_usd.to_numpy(np.float64)
        return cls(treated, held_out, truth[first], truth[second], value[first], value[second])

    def __len__(self) -> int:
        return len(self.ours) + len(self.theirs)

    def too_few(self, rules: Rules) -> str | None:
        """Return why nothing can be said, if so."""
        least, wanted = min(len(self.ours), len(self.theirs)), rules.least_labels // 2
        return (
            f"{least} matured leads in the smaller arm, expected {wanted}"
            if least < wanted
            else None
        )


def conversion_gain(arms: Arms, *, rules: Rules = RULES) -> Check:
    """Return by how much more of the treated closed than of the hold-out, with Newcombe's interval.

    Newcombe 1998, method 10: Wilson's intervals of both shares, combined. Signals if the whole interval,
    at the level of bounds that alarm alone, lies below zero: what is done does harm.
    """
    subject = f"conversion {arms.treated} over {arms.held_out}"
    why = arms.too_few(rules)
    if why:
        return unknown("business", subject, len(arms), why)
    p, q = float(arms.ours.mean()), float(arms.theirs.mean())
    low, high = _newcombe(arms, confidence=0.95)
    harm = _newcombe(arms, confidence=1 - 2 * rules.tail)[1] < 0
    return Check(
        "business", subject, len(arms), value=p - q, lower=low, upper=high, reference=0.0,
        threshold=0.0, raw_signal=p < q, signal=harm, at_once=harm,
        detail={"treated": p, "held_out": q},
    )  # fmt: skip


def money_gain(
    arms: Arms, *, profit_rate: float, cost_usd: float, rules: Rules = RULES
) -> list[Check]:
    """Return what a treated lead brings beyond one of the hold-out, net of its cost, and the return on it.

    Welch's interval of the difference of means. Signals if the whole interval, at the level of bounds that
    alarm alone, lies below zero: what is done costs more than it brings.

    Parameters
    ----------
    profit_rate
        Profit of a lead that closes, as a share of its home's value: a term that is set, not measured.
    cost_usd
        What treating one lead costs beyond the other arm: likewise.
    """
    subject = f"USD a lead, {arms.treated} over {arms.held_out}"
    roi = f"ROI, {arms.treated} over {arms.held_out}"
    why = arms.too_few(rules)
    if why:
        return [unknown("business", name, len(arms), why) for name in (subject, roi)]
    ours, theirs = (
        profit_rate * closed * value
        for closed, value in ((arms.ours, arms.our_value), (arms.theirs, arms.their_value))
    )
    gross = float(ours.mean() - theirs.mean())
    error = float(np.sqrt(ours.var(ddof=1) / len(ours) + theirs.var(ddof=1) / len(theirs)))
    net, reach = gross - cost_usd, _95 * error
    harm = net + float(norm.isf(rules.tail)) * error < 0
    detail: dict[str, Any] = {
        "profit_rate": profit_rate, "cost_usd": cost_usd, "treated_usd": float(ours.mean()),
        "held_out_usd": float(theirs.mean()),
        "of_all_treated_usd": [len(ours) * each for each in (net - reach, net, net + reach)],
    }  # fmt: skip
    value = Check(
        "business", subject, len(arms), value=net, lower=net - reach, upper=net + reach,
        reference=0.0, threshold=0.0, raw_signal=net < 0, signal=harm, at_once=harm, detail=detail,
    )  # fmt: skip
    if cost_usd <= 0:
        return [
            value,
            unknown("business", roi, len(arms), "treating a lead is set to cost nothing"),
        ]
    low, at, high = ((each) / cost_usd for each in (net - reach, net, net + reach))
    return [
        value,
        Check(
            "business", roi, len(arms), value=at, lower=low, upper=high, reference=0.0,
            threshold=0.0, raw_signal=at < 0, signal=harm, detail=detail,
        ),
    ]  # fmt: skip


def _newcombe(arms: Arms, *, confidence: float) -> tuple[float, float]:
    from hki_ml.metrics.interval import share_interval

    p, q = float(arms.ours.mean()), float(arms.theirs.mean())
    (a, b), (c, d) = (
        [each / 100 for each in share_interval(100 * share, n, confidence=confidence)]
        for share, n in ((p, len(arms.ours)), (q, len(arms.theirs)))
    )
    return p - q - float(np.hypot(p - a, d - q)), p - q + float(np.hypot(b - p, q - c))
