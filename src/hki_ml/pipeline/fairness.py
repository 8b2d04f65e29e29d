"""How the champions treat groups that the law protects: by what came true, and by their own trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from hki_ml.catalog import ROOMS
from hki_ml.errors import NotFound
from hki_ml.metrics.groups import FOUR_FIFTHS
from hki_ml.monitor_tables import MONITOR_CHECKS
from hki_ml.monitoring.check import Check, unknown
from hki_ml.monitoring.incident import Incident
from hki_ml.pipeline.alarms import Span, close_settled, incident, row_of, written
from hki_ml.pipeline.card import NOT_MEASURED
from hki_ml.pipeline.groups import groups_of_leads
from hki_ml.pipeline.monitor_frames import judged_now, seen
from hki_ml.pipeline.train import CHAMPION, TRIAL_FILE
from hki_ml.pipeline.treated import FAVOURS, UNLIKE, checks_of
from hki_ml.wiring import Backend

FEWEST = 300  # leads of known groups that have ended since the champion learned; below, its trial's


@dataclass(frozen=True, slots=True)
class Audit:
    """What there is to say of a model: ``checks`` of this run, ``trial`` what its own trial measured."""

    model: str
    version: str | None
    checks: tuple[Check, ...] = ()
    trial: Mapping[str, Any] | None = None

    @property
    def said(self) -> str:
        """Return it in a line."""
        if self.version is None:
            return "no champion"
        told = [
            f"{check.subject} {check.value:.3f}" for check in self.checks if check.value is not None
        ]
        tried = [
            f"trial: impact ratio, {name} {each['impact_ratio']['value']:.3f}"
            for name, each in (self.trial or {}).items()
        ]
        return ", ".join([*told, *tried]) or NOT_MEASURED


@dataclass(frozen=True, slots=True)
class Audited:
    """The audit of each model of the catalogue, and incidents that are news."""

    audits: tuple[Audit, ...]
    incidents: tuple[Incident, ...]


def by_trials(backend: Backend) -> tuple[Audit, ...]:
    """Return of each model what its champion's trial measured of groups; ``not measured`` is told."""
    return tuple(_of_trial(backend, model) for model in ROOMS)


def audit(backend: Backend, *, now: datetime) -> Audited:
    """Look at how each champion treats the groups that are known, write it down, and alarm if it is unlike.

    As many leads count as picked as came true; a group alarms if the share of it that is picked is below
    four fifths of the others' share with its whole interval.
    """
    groups = groups_of_leads(backend.lake)
    rows: list[dict[str, object]] = []
    found: list[Incident] = []
    learned: dict[str, datetime] = {}
    audits = []
    for one in by_trials(backend):
        checks: list[Check] = []
        if one.model in FAVOURS and one.version is not None:
            span, checks = _looked_at(backend, one, groups, now)
            learned[one.model] = span.begin
            mine = [row_of(span, check, now) for check in checks]
            close_settled(backend.lake, one.model, mine, now)
            rows += mine
            found += [_incident(span, check, now) for check in checks if check.alarm]
        audits.append(Audit(one.model, one.version, tuple(checks), one.trial))
    if rows:
        backend.lake.append("monitor_checks", pa.Table.from_pylist(rows, schema=MONITOR_CHECKS))
    return Audited(tuple(audits), written(backend, found, learned))


def _looked_at(
    backend: Backend, of: Audit, groups: pd.DataFrame, now: datetime
) -> tuple[Span, list[Check]]:
    """Return the checks of a champion and the time that they are of."""
    what = seen(backend, of.model, now=now)
    if isinstance(what, str):
        return Span(of.model, of.version, now, now), [unknown("fairness", "groups", 0, what)]
    span = Span(of.model, of.version, what.since, now)
    if groups.empty:
        return span, [unknown("fairness", "groups", 0, "no groups are known: hki groups FILE")]
    trial, later = judged_now(backend, what, now=now)
    rows = (
        later if later["entity"][later["entity"].isin(groups.index)].nunique() >= FEWEST else trial
    )
    return span, checks_of(rows, groups, is_good=FAVOURS[of.model])


def _incident(span: Span, check: Check, now: datetime) -> Incident:
    lowest = str(check.detail["lowest"])
    figure = check.detail["against_the_rest"][lowest]
    reason = (
        f"{check.subject}: {lowest!r} is picked {figure['value']:.2f} times as often as the others "
        f"[{figure['low']:.2f}, {figure['high']:.2f}], expected {FOUR_FIFTHS:g} or more; n {check.n}"
    )
    return incident(span, "fairness", check.subject, reason, span.begin, now)


def _of_trial(backend: Backend, model: str) -> Audit:
    champion = backend.registry.resolve(model, CHAMPION)
    if champion is None:
        return Audit(model, None)
    try:
        report: dict[str, Any] = json.loads(backend.registry.file(champion, TRIAL_FILE))
    except NotFound:
        report = {}
    return Audit(model, champion.version, (), report.get(UNLIKE, {}))
