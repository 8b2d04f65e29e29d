"""The kinds of alert there are; each has somebody who answers for it and a runbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hki_ml.errors import NotFound

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Kind:
    """How bad it is and whose it is; its runbook is ``docs/runbooks/<name>.md``."""

    severity: Severity
    owner: str
    means: str


KINDS: dict[str, Kind] = {
    "data-broken": Kind("critical", "data", "what comes in is not what it was; nothing is learned"),
    "drift-found": Kind("warning", "models", "the world moved away from what a model learned"),
    "decision-harms": Kind("warning", "business", "what is done costs more than it brings"),
    "groups-fare-unlike": Kind(
        "critical", "compliance", "a model picks a protected group less often than the others"
    ),
    "experiment-stopped": Kind("warning", "models", "an experiment ended because of harm"),
    "rolled-back": Kind("warning", "models", "a champion was taken back"),
    "retraining-failed": Kind("warning", "models", "a retraining did not come to an end"),
    "run-failed": Kind("critical", "platform", "a flow failed after its own retries"),
    "run-gave-up": Kind("critical", "platform", "a run died again and again and is not resumed"),
    "start-lost": Kind("warning", "platform", "an event did not start its run; the reconciler did"),
    "part-rests": Kind("critical", "platform", "a part of the platform ends again and again"),
    "schedule-silent": Kind("critical", "platform", "a deployment has no run ahead of it"),
}


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that somebody has to know.

    Attributes
    ----------
    key
        What it is about; the same key within ``alerts.repeat_hours`` is counted, not sent again.
    summary
        One sentence: what, and since when.
    detail
        What was measured, expected and found.
    runbook
        What to do: a path below the repository.
    """

    key: str
    severity: Severity
    owner: str
    summary: str
    detail: str
    runbook: str


def alert(kind: str, about: str, summary: str, detail: str = "") -> Alert:
    """Return an alert of a kind that there is, about one thing (a model, a table, a run).

    Raises
    ------
    NotFound
        If there is no such kind.
    """
    if kind not in KINDS:
        raise NotFound(f"expected one of the alerts {', '.join(KINDS)}, got {kind!r}")
    of = KINDS[kind]
    runbook = f"docs/runbooks/{kind}.md"
    return Alert(f"{kind}:{about}", of.severity, of.owner, summary, detail, runbook)
