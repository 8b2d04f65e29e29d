"""What somebody has to do something about: an alarm with its first cause, once however often it is seen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hki_ml.monitoring.check import Severity

Route = Literal["retrain", "mend_data", "audit", "none"]
State = Literal["open", "handed_over", "closed"]


@dataclass(frozen=True, slots=True)
class Incident:
    """An alarm that lasts: what moved, since when, the first place upstream, and who is to act.

    ``reason`` is one sentence; ``since`` is when it began as far as the data tell, ``at`` when this
    state of it was written.
    """

    incident_id: str
    model: str
    kind: str
    subject: str
    reason: str
    severity: Severity
    since: datetime
    window_start: datetime
    window_end: datetime
    route: Route
    state: State
    at: datetime


def incident_id(model: str, kind: str, subject: str, since: datetime) -> str:
    """Return the id of an incident: the same thing since the same day is the same incident.

    Examples
    --------
    >>> day = datetime(2026, 3, 3)
    >>> incident_id("risk", "feature_drift", "area", day) == incident_id(
    ...     "risk", "feature_drift", "area", day.replace(hour=5))
    True
    """
    told = "\x1f".join((model, kind, subject, f"{since:%Y-%m-%d}"))
    return hashlib.sha256(told.encode()).hexdigest()[:32]
