"""What is kept for how long, as a table of rules; what a rule does not name is kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hki_ml.errors import SettingsError
from hki_ml.ports import Lake
from hki_ml.settings import LoopSettings
from hki_ml.tables import SCHEMAS
from hki_ml.wiring import Backend

MEMORY: tuple[str, ...] = ("events", "ledger", "incidents")
"""Never deleted by time: what all else is made from, and who decided what."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of a table whose time ``column`` is older than ``days`` are deleted, for ``why``."""

    table: str
    column: str
    days: int
    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a rule did: ``deleted`` rows or files."""

    what: str
    days: int
    before: datetime
    deleted: int
    why: str


def rules(loop: LoopSettings) -> tuple[Rule, ...]:
    """Return the rules under these settings."""
    refused = "refused rows can be mended and replayed so long"
    return (
        Rule("quarantine", "quarantined_at", loop.keep_quarantine_days, refused),
        Rule("monitor_checks", "decided_at", loop.keep_checks_days, "checks behind old decisions"),
        Rule(
            "batch_predictions", "as_of", loop.keep_answers_days, "answers can be explained so long"
        ),
    )


def retain(
    backend: Backend, *, now: datetime, by: Iterable[Rule] | None = None
) -> tuple[Kept, ...]:
    """Delete what the rules give up, and old reports; twice is once.

    Raises
    ------
    SettingsError
        If a rule names a table that training or an audit needs, or a column that is not there.
    """
    given = rules(backend.settings.loop) if by is None else tuple(by)
    for rule in given:
        _check(rule)
    kept = [_apply(backend.lake, rule, now) for rule in given if rule.table in SCHEMAS]
    days = backend.settings.loop.keep_reports_days
    before = now - timedelta(days=days)
    deleted = _old_files(backend.settings.reports_path, before)
    return (*kept, Kept("reports", days, before, deleted, "reports behind old decisions"))


def _check(rule: Rule) -> None:
    if rule.table in MEMORY:
        raise SettingsError(
            f"{rule.table} is never deleted by time: everything else is made from it"
        )
    if rule.table in SCHEMAS and rule.column not in SCHEMAS[rule.table].names:
        raise SettingsError(f"expected a column of {rule.table}, got {rule.column!r}")


def _apply(lake: Lake, rule: Rule, now: datetime) -> Kept:
    before = now - timedelta(days=rule.days)
    deleted = lake.forget(rule.table, rule.column, before=before)
    return Kept(rule.table, rule.days, before, deleted, rule.why)


def _old_files(folder: Path, before: datetime) -> int:
    old = [
        path
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_mtime < before.timestamp()
    ]
    for path in old:
        path.unlink()
    return len(old)
