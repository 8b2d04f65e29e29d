"""What one look at one thing found, and the rules that make an alarm of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Kind = Literal[
    "data_quality",
    "feature_drift",
    "prediction_drift",
    "performance",
    "estimated_performance",
    "importance",
    "business",
    "fairness",
]
TOLD: frozenset[Kind] = frozenset({"estimated_performance", "importance"})
"""Kinds that are shown and alarm nobody: neither says that anything is wrong."""
Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Rules:
    """When something counts; each number beside where it is from.

    The raw thresholds are the design document's. The others were measured on quiet streams
    (docs/monitoring.md): KS alone cries on most windows, an effect size with persistence hardly ever.
    """

    least_rows: int = 300  # below it PSI is mostly its own bias
    least_labels: int = 300
    false_discoveries: float = 0.05
    least_effect: float = 0.10  # KS distance, or the change of a category's share
    plain_psi: float = 0.25  # a move so large needs no second window
    windows: int = 3
    seen_in: int = 2
    draws: int = 400
    missing_more: float = 0.05  # absolute rise of the share of missing values
    missing_at_once: float = 0.25
    least_expected: int = 20  # as many rows of a category were to be expected
    new_share: float = 0.02
    tail: float = 0.001  # one-sided level of bounds that alarm alone
    raw_ks_p: float = 0.05
    raw_psi: float = 0.20
    raw_auc_loss: float = 0.05


@dataclass(frozen=True, slots=True)
class Check:
    """One look at one thing in one window.

    Attributes
    ----------
    value, lower, upper
        What was found with its 95 % interval, where there is one.
    reference, threshold
        What it is compared with, and where its rule begins.
    raw_signal
        What the design document's plain threshold says; no alarm.
    signal
        Whether this window meets the rule; ``None`` is unknown: too little was seen to say.
    at_once
        Whether the signal is so large that it needs no second window.
    alarm
        ``None`` if unknown, which is neither good nor bad.
    """

    kind: Kind
    subject: str
    n: int
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    reference: float | None = None
    threshold: float | None = None
    raw_signal: bool | None = None
    signal: bool | None = None
    at_once: bool = False
    alarm: bool | None = None
    severity: Severity = "info"
    detail: Mapping[str, Any] = field(default_factory=dict)


def unknown(kind: Kind, subject: str, n: int, why: str) -> Check:
    """Return the check of something that cannot be said."""
    return Check(kind, subject, n, detail={"unknown": why})


def settled(check: Check, earlier: Sequence[bool | None], rules: Rules) -> Check:
    """Return the check with its alarm, in sight of the same check's signals in earlier windows.

    Parameters
    ----------
    earlier
        Signals of the windows before, newest last; unknown ones do not count.

    Examples
    --------
    >>> once = Check("feature_drift", "area", 500, signal=True)
    >>> [settled(once, before, Rules()).alarm for before in ([], [True, False], [True, False, False])]
    [False, True, False]
    """
    if check.signal is None:
        return replace(check, alarm=None)
    known = [bool(each) for each in earlier[-(rules.windows - 1) :]] if rules.windows > 1 else []
    is_lasting = sum(known) + 1 >= rules.seen_in
    alarm = check.signal and check.kind not in TOLD and (check.at_once or is_lasting)
    severity: Severity = "info"
    if alarm:
        severity = "critical" if check.at_once else "warning"
    return replace(check, alarm=alarm, severity=severity)
