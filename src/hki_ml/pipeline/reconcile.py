"""What should have been started, and was not; what says it runs, and does not: put right, once each."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hki_ml.alerts import alert, deliver, send
from hki_ml.catalog import ROOMS
from hki_ml.monitoring.incident import Incident
from hki_ml.pipeline.incidents import open_for
from hki_ml.pipeline.retrain import cooling_until
from hki_ml.ports import Orchestrator, Run
from hki_ml.wiring import Backend

LOOK_BACK = timedelta(days=2)  # to runs that ended
OUTAGE = timedelta(days=60)  # to runs that have not: whatever was held or due when all went down
AGAIN_AFTER = timedelta(hours=6)  # an incident that a run left open, e.g. for broken data
LATE_AFTER = timedelta(minutes=1)
MOST_TRIES = 3  # of a run that dies
MOST_RUNS = 5  # of an incident
HELD = ("PENDING", "RUNNING", "CANCELLING")
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
ITSELF = "reconcile/"


@dataclass(slots=True)
class Reconciled:
    """What was put right: ids of runs, and of incidents whose run was started."""

    crashed: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    superseded: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    gave_up: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    delivered: int = 0


def reconcile(
    backend: Backend,
    runs: Orchestrator,
    *,
    now: datetime,
    alone: bool = False,
    me: str | None = None,
) -> Reconciled:
    """Compare what should run with what does, and put the difference right; twice is once.

    Parameters
    ----------
    alone
        No worker runs at present: whatever says it runs is dead.
    me
        The id of the run that asks, which lives.

    Raises
    ------
    Unavailable
        If the orchestrator or the lake does not answer.
    """
    done = Reconciled()
    recover(backend, runs, done, now=now, alone=alone, me=me)
    _start_what_events_did_not(backend, runs, done, now)
    for deployment, ahead in runs.scheduled(now=now).items():
        if not ahead:
            done.silent.append(deployment)
            summary = f"{deployment} has an active schedule and no run ahead of it"
            send(backend.settings, alert("schedule-silent", deployment, summary), now=now)
    done.delivered = deliver(backend.settings)
    return done


def recover(
    backend: Backend,
    runs: Orchestrator,
    done: Reconciled,
    *,
    now: datetime,
    alone: bool,
    me: str | None = None,
) -> None:
    """Tell the dead runs from the living, run again what died, and do once what is due many times."""
    silent = timedelta(seconds=backend.settings.loop.silent_seconds)
    for run in runs.runs(HELD, since=now - OUTAGE):
        if run.id != me and (alone or _silent_since(runs, run) < now - silent):
            runs.set_state(run, "CRASHED", "Crashed", "it said nothing any more: taken for dead")
            done.crashed.append(run.id)
    known = runs.runs(("SCHEDULED", *HELD), since=now - OUTAGE)
    known += runs.runs(ENDED, since=now - LOOK_BACK)
    known.sort(key=lambda run: run.due_at or run.since)
    for works in _by_work(run for run in known if run.due_at is not None and run.due_at <= now):
        if not works[-1].deployment.startswith(ITSELF):
            _resume(backend, runs, works[-1], done, now)
        late = [run for run in works if run.state == "SCHEDULED" and _is_late(run, now)]
        for run in late[:-1]:
            runs.set_state(run, "CANCELLED", "Cancelled", "a later run of the same is due as well")
            done.superseded.append(run.id)


def _silent_since(runs: Orchestrator, run: Run) -> datetime:
    return max(run.since, runs.last_sign(run) or run.since)


def _is_late(run: Run, now: datetime) -> bool:
    return run.due_at is not None and run.due_at < now - LATE_AFTER


def _by_work(known: Iterable[Run]) -> Iterable[list[Run]]:
    """Group runs that would do the same: of one deployment with the same parameters, by due time."""
    works: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in known:
        if run.deployment:  # a run by hand is its caller's
            same = run.deployment, json.dumps(run.parameters, sort_keys=True, default=str)
            works[same].append(run)
    return works.values()


def _resume(
    backend: Backend, runs: Orchestrator, last: Run, done: Reconciled, now: datetime
) -> None:
    if last.state == "FAILED":
        summary = f"{last.deployment} failed at {last.since.isoformat()}: {last.message}"
        send(backend.settings, alert("run-failed", last.deployment, summary), now=now)
    if last.state != "CRASHED":
        return
    if last.tries < MOST_TRIES:
        runs.set_state(last, "SCHEDULED", "AwaitingRetry", "it died; it is run again")
        done.resumed.append(last.id)
        return
    done.gave_up.append(last.id)
    summary = f"{last.deployment} died {last.tries} times, last at {last.since.isoformat()}"
    send(backend.settings, alert("run-gave-up", last.id, summary, last.message), now=now)


def _start_what_events_did_not(
    backend: Backend, runs: Orchestrator, done: Reconciled, now: datetime
) -> None:
    waiting = [each for each in open_for(backend.lake, "retrain") if each.model in ROOMS]
    if not waiting:
        return
    oldest = min(each.at for each in waiting)
    known = runs.runs(("SCHEDULED", *HELD, *ENDED), since=oldest - LATE_AFTER)
    for incident in waiting:
        its = [run for run in known if run.parameters.get("incident_id") == incident.incident_id]
        if not _is_due(backend, incident, its, now):
            continue
        if len(its) >= MOST_RUNS:
            done.gave_up.append(incident.incident_id)
            summary = f"{incident.model}: {len(its)} runs did not settle incident {incident.reason}"
            send(backend.settings, alert("run-gave-up", incident.incident_id, summary), now=now)
            continue
        key = incident.incident_id if not its else f"{incident.incident_id}:{len(its)}"
        _, is_new = runs.start(f"retrain/{incident.model}", asked_of(incident), key=key)
        if is_new:
            done.started.append(incident.incident_id)
        if is_new and not its:
            summary = f"{incident.model}: the event of {incident.at.isoformat()} started no run"
            send(backend.settings, alert("start-lost", incident.incident_id, summary), now=now)


def _is_due(backend: Backend, incident: Incident, its: Sequence[Run], now: datetime) -> bool:
    grace = timedelta(seconds=backend.settings.loop.grace_seconds)
    if any(run.state in ("SCHEDULED", *HELD) for run in its):
        return False
    if not its:
        is_time = now >= incident.at + grace
    else:
        # A cancelled run met another of the same model; the others took their time over it.
        last = max(its, key=lambda run: run.since)
        is_time = now >= last.since + (grace if last.state == "CANCELLED" else AGAIN_AFTER)
    until = cooling_until(backend, incident.model)
    return is_time and (until is None or now >= until)


def asked_of(incident: Incident) -> dict[str, str]:
    """Return the parameters of the run of ``retrain`` that an incident asks for."""
    return {
        "model": incident.model,
        "reason": f"drift: {incident.reason}",
        "incident_id": incident.incident_id,
        "window_start": incident.window_start.isoformat(),
        "window_end": incident.window_end.isoformat(),
    }
