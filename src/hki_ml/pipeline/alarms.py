"""From alarms to incidents: what moved, what moved first upstream, who is to act; each thing told once."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from hki_ml.monitor_tables import INCIDENTS
from hki_ml.monitoring.check import Check
from hki_ml.monitoring.incident import Incident, Route, incident_id
from hki_ml.monitoring.upstream import daily_counts, first_moved
from hki_ml.pipeline.incidents import TABLE, close, latest
from hki_ml.pipeline.monitor_frames import how_it_moved
from hki_ml.pipeline.quality_sources import SILENT
from hki_ml.ports import Lake
from hki_ml.wiring import Backend

EVERY = "every"  # the model of what concerns all of them
ROUTES: dict[str, Route] = {
    "data_quality": "mend_data",
    "feature_drift": "retrain",
    "prediction_drift": "retrain",
    "performance": "retrain",
    "business": "none",
    "fairness": "audit",
}
"""Kind of check → what is to be done about its alarm; what a decision does is for people to settle."""


@dataclass(frozen=True, slots=True)
class Span:
    """A window of a model's examples, and the version that was watched in it."""

    model: str
    version: str | None
    begin: datetime
    end: datetime


def alarms(
    backend: Backend, span: Span, made: Sequence[Check], now: datetime,
    sides: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> list[Incident]:  # fmt: skip
    """Return an incident a kind of alarm: what moved, from what to what, and what moved first upstream."""
    found = []
    broken = any(each.alarm and each.kind == "data_quality" for each in made)
    for kind in sorted({each.kind for each in made if each.alarm}):
        if broken and kind in {"feature_drift", "prediction_drift"}:
            continue  # what moved is broken: it is mended, not learned
        mine = [each for each in made if each.alarm and each.kind == kind]
        mine.sort(key=lambda each: -abs(each.value or 0.0))
        names = ", ".join(each.subject for each in mine[:3])
        first = first_moved(_daily(backend, span), since=span.begin - (span.end - span.begin))
        since = span.begin if first is None else first.since
        how = "" if sides is None else how_it_moved(*sides, mine[0].subject)
        where = "no source changed how much it sends" if first is None else f"first: {first}"
        reason = f"{kind.replace('_', ' ')} of {names} since {span.begin:%Y-%m-%d}{how}; {where}"
        made_of = incident(span, kind, mine[0].subject, reason, since, now)
        if first is not None and first.after < SILENT * first.before:
            made_of = replace(made_of, route="mend_data")  # a feed that fell silent is not learned
        found.append(made_of)
    return found


def _daily(backend: Backend, span: Span) -> dict[tuple[str, str], pd.Series]:
    """Return how many events of each kind every source sent, a day, up to the window's end."""
    columns = ["source", "event_type", "occurred_at"]
    events = backend.lake.read("events", columns=columns).to_pandas()
    first = span.begin - 3 * (span.end - span.begin)
    events = events[(events["occurred_at"] >= first) & (events["occurred_at"] < span.end)]
    events = events[events["event_type"] != "prediction.made"]
    leads = backend.lake.read("leads", columns=["lead_source", "created_at", "source"]).to_pandas()
    leads = leads[(leads["created_at"] >= first) & (leads["created_at"] < span.end)]
    leads = leads.rename(columns={"created_at": "occurred_at"}).assign(event_type="leads")
    leads["source"] = leads["source"] + "/" + leads.pop("lead_source").fillna("unknown")
    both = pd.concat([events, leads], ignore_index=True)
    return daily_counts(both, first=first, last=span.end) if len(both) else {}


def incident(
    span: Span, kind: str, subject: str, reason: str, since: datetime, now: datetime
) -> Incident:
    """Return an open incident of a window; what is to be learned is a warning, broken data are critical."""
    return Incident(
        incident_id(span.model, kind, subject, since), span.model, kind, subject, reason,
        "critical" if ROUTES.get(kind) in {"mend_data", "audit"} else "warning", since, span.begin,
        span.end, ROUTES.get(kind, "none"), "open", now,
    )  # fmt: skip


def _is_same(old: Incident, new: Incident, learned: Mapping[str, datetime]) -> bool:
    """Tell whether an incident is another's going on: of the same kind, and nothing was learned since."""
    if (old.model, old.kind) != (new.model, new.kind):
        return False
    if old.model == EVERY:
        return old.subject == new.subject and old.window_end >= new.window_start
    if old.window_start < learned[old.model]:
        return False
    # What is to be learned is learned as a whole; what is broken is mended one by one.
    return old.subject == new.subject or (old.route == "retrain" and old.state == "open")


def written(
    backend: Backend, found: Iterable[Incident], learned: Mapping[str, datetime]
) -> tuple[Incident, ...]:
    """Write the incidents that are news; ``learned`` is when each model's champion last did."""
    known = latest(backend.lake)
    new: dict[str, Incident] = {}
    for each in found:
        others = [old for old in (*known.values(), *new.values()) if old.state != "closed"]
        if each.incident_id not in known and not any(
            _is_same(old, each, learned) for old in others
        ):
            new[each.incident_id] = each
    if new:
        rows = [asdict(each) for each in new.values()]
        backend.lake.append(TABLE, pa.Table.from_pylist(rows, schema=INCIDENTS))
    return tuple(new.values())


def close_settled(
    lake: Lake, model: str, checks: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Close a model's incidents that later looks at the same thing no longer find.

    Parameters
    ----------
    checks
        New rows of ``monitor_checks``, in order of time; the last of each thing tells.
    """
    last = {(row["kind"], row["subject"]): row for row in checks}
    for each in latest(lake).values():
        row = last.get((each.kind, each.subject))
        if each.model != model or each.state == "closed" or row is None:
            continue
        if row["alarm"] is False and row["window_end"] > each.window_end:
            close(lake, each, at=now)


def close_mended(lake: Lake, since: datetime, subjects: Collection[str], now: datetime) -> None:
    """Close incidents of the data that were over before ``since`` and are not among what is found now."""
    for each in latest(lake).values():
        is_over = each.state != "closed" and each.window_end <= since
        if each.model == EVERY and is_over and each.subject not in subjects:
            close(lake, each, at=now)


def row_of(span: Span, check: Check, now: datetime) -> dict[str, object]:
    """Return a check as a row of ``monitor_checks``; the same look twice has one id."""
    told = (
        span.model,
        span.version,
        check.kind,
        check.subject,
        span.begin.isoformat(),
        str(span.end),
    )
    return {
        "check_id": hashlib.sha256("\x1f".join(map(str, told)).encode()).hexdigest()[:32],
        "model": span.model, "model_version": span.version, "kind": check.kind,
        "subject": check.subject, "window_start": span.begin, "window_end": span.end, "n": check.n,
        "value": check.value, "lower": check.lower, "upper": check.upper,
        "reference": check.reference, "threshold": check.threshold, "raw_signal": check.raw_signal,
        "signal": check.signal, "alarm": check.alarm, "severity": check.severity,
        "detail_json": orjson.dumps(dict(check.detail), option=orjson.OPT_SERIALIZE_NUMPY).decode(),
        "decided_at": now,
    }  # fmt: skip
