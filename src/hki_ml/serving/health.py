"""``GET /ml/health``: how the models do, over time, with intervals; what was not measured is unknown."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hki_ml.catalog import ROOMS
from hki_ml.ledger import MOVES, Entry, entries, running
from hki_ml.ports import Lake, ModelRegistry
from hki_ml.serving.asked import iso
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.health_runs import LastRuns
from hki_ml.serving.naming import camel

CHAMPION = "champion"
EVERY = "every"  # the model of checks of the data themselves
MOST_DECISIONS, MOST_POINTS = 10, 60  # points of each figure
STALE = timedelta(days=3)  # the watch looks daily: what nobody has looked at since is not known
NEEDED = ("feature_drift", "performance")
"""Kinds of check without which nothing is called good."""
OK, ALARM, UNKNOWN = "ok", "alarm", "unknown"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Health:
    """Reads the tables of the watch, the ledger, the registry and how flows last ended."""

    lake: Callable[[], Lake]
    registry: Callable[[], ModelRegistry]
    clock: Callable[[], datetime]
    runs: LastRuns

    async def all(self, _: Request) -> Response:
        """Answer ``health``."""
        return success(await asyncio.to_thread(self._read))

    def _read(self) -> dict[str, Any]:
        lake, now = self.lake(), self.clock()
        checks = _rows(lake, "monitor_checks")
        incidents = _standing(_rows(lake, "incidents"))
        return {
            "computedAt": iso(now),
            "models": [
                self._model(model, lake, _of(checks, model), _of(incidents, model), now)
                for model in ROOMS
            ],
            "data": [_check(each) for each in _latest(_of(checks, EVERY))],
            "dataState": _state(
                _latest(_of(checks, EVERY)), _of(incidents, EVERY), needed=(), now=now
            ),
            "dataIncidents": [_incident(each) for each in _of(incidents, EVERY)],
            "freshness": _freshness(lake, now),
            "runs": self.runs.told(now),
        }

    def _model(
        self, model: str, lake: Lake, checks: Sequence[Row], incidents: Sequence[Row], now: datetime
    ) -> dict[str, Any]:
        champion = self.registry().resolve(model, CHAMPION)
        known = entries(lake, model) if lake.version("ledger") >= 0 else []
        mine = [c for c in checks if champion and c["model_version"] == champion.version]
        latest = _latest(mine)
        trial = running(known)
        return {
            "model": model,
            "state": UNKNOWN if champion is None else _state(latest, incidents, needed=NEEDED, now=now),
            "champion": None if champion is None else _champion(champion, known),
            "checks": [_check(each) for each in latest],
            "history": _history(checks),
            "incidents": [_incident(each) for each in incidents],
            "experiment": None if trial is None else {
                "name": trial.name, "challenger": trial.challenger, "share": trial.share,
                "since": iso(trial.since),
            },
            "decisions": [_decision(each) for each in known[-MOST_DECISIONS:][::-1]],
        }  # fmt: skip


def _rows(lake: Lake, table: str, columns: Sequence[str] | None = None) -> list[Row]:
    """Return a table's rows; none of a table that nothing was ever written to."""
    return lake.read(table, columns=columns).to_pylist() if lake.version(table) >= 0 else []


def _of(rows: Sequence[Row], model: str) -> list[Row]:
    return [each for each in rows if each["model"] == model]


def _latest(checks: Sequence[Row]) -> list[Row]:
    """Return each thing's last check, in order of kind and name."""
    found: dict[tuple[str, str], Row] = {}
    for each in sorted(checks, key=lambda row: (row["window_end"], row["decided_at"])):
        found[each["kind"], each["subject"]] = each
    return [found[key] for key in sorted(found)]


def _standing(rows: Sequence[Row]) -> list[Row]:
    """Return the incidents as they stand, those that are over left out, newest first."""
    last: dict[str, Row] = {}
    for each in sorted(rows, key=lambda row: row["at"]):
        last[each["incident_id"]] = each
    return sorted(
        (each for each in last.values() if each["state"] != "closed"),
        key=lambda row: row["since"], reverse=True,
    )  # fmt: skip


def _history(checks: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the latest points of each figure of what came true, in the order in which they were made."""
    left: Counter[str] = Counter()
    found = []
    for each in reversed([each for each in checks if each["kind"] == "performance"]):
        left[each["subject"]] += 1
        if left[each["subject"]] <= MOST_POINTS:
            found.append(_point(each))
    return found[::-1]


def _state(
    latest: Sequence[Row], incidents: Sequence[Row], *, needed: Sequence[str], now: datetime
) -> str:
    """Return what can be said: good only if everything needed was measured of late and nothing alarms."""
    if any(each["state"] == "open" for each in incidents) or any(c["alarm"] for c in latest):
        return ALARM
    if max((each["decided_at"] for each in latest), default=now) < now - STALE:
        return UNKNOWN
    measured = {each["kind"] for each in latest if each["alarm"] is not None}
    return OK if measured and set(needed) <= measured else UNKNOWN


def _champion(version: Any, known: Sequence[Entry]) -> dict[str, Any]:
    since = [
        each.at for each in known if each.decision in MOVES and each.version == version.version
    ]
    return {
        "version": version.version,
        "since": iso(since[-1]) if since else None,
        "knowsUntil": version.tags.get("as_of"),
        "figures": dict(version.figures),
    }


def _check(row: Row) -> dict[str, Any]:
    state = UNKNOWN if row["alarm"] is None else (ALARM if row["alarm"] else OK)
    kept = (
        "kind",
        "subject",
        "n",
        "value",
        "lower",
        "upper",
        "reference",
        "threshold",
        "raw_signal",
    )
    return {
        **{camel(name): row[name] for name in kept}, "state": state,
        "windowStart": iso(row["window_start"]), "windowEnd": iso(row["window_end"]),
    }  # fmt: skip


def _point(row: Row) -> dict[str, Any]:
    return {
        "at": iso(row["decided_at"]), "version": row["model_version"], "subject": row["subject"],
        "n": row["n"], "value": row["value"], "lower": row["lower"], "upper": row["upper"],
    }  # fmt: skip


def _incident(row: Row) -> dict[str, Any]:
    kept = ("incident_id", "kind", "subject", "reason", "severity", "route", "state")
    return {**{camel(name): row[name] for name in kept}, "since": iso(row["since"])}


def _decision(entry: Entry) -> dict[str, Any]:
    return {
        "at": iso(entry.at), "decision": entry.decision, "version": entry.version, "by": entry.by,
        "reasons": list(entry.reasons),
    }  # fmt: skip


def _freshness(lake: Lake, now: datetime) -> list[dict[str, Any]]:
    """Return how old the newest event of every source is, and the newest features."""
    newest: dict[str, datetime] = {}
    if lake.version("events") >= 0:
        events = lake.read("events", columns=["source", "occurred_at"]).group_by("source")
        for each in events.aggregate([("occurred_at", "max")]).to_pylist():
            newest["events of " + each["source"]] = each["occurred_at_max"]
    made = [each["until"] for each in _rows(lake, "state_runs", ["until"])]
    found = [*newest.items(), ("features of leads", max(made, default=None))]
    return [
        {
            "what": what, "newestAt": None if at is None else iso(at),
            "hours": None if at is None else round((now - at).total_seconds() / 3600, 1),
        }
        for what, at in sorted(found)
    ]  # fmt: skip
