"""Runs of flows: Prefect's REST API, asked directly, for a reconciler must not need what it watches over."""

from __future__ import annotations

import base64
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from hki_ml.errors import NotFound, Unavailable
from hki_ml.ports import Run

TIMEOUT_SECONDS = 10.0
PAGE = 200
BUSY = (429, 503)  # 503: SQLite is locked, which it is often
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
ENDED = ("COMPLETED", "FAILED", "CRASHED")  # what was cancelled is done by the next
HEARTBEAT = "prefect.flow-run.heartbeat"
EVENT_PREFIX = "prefect.flow-run."


class PrefectRuns:
    """Runs and deployments of a Prefect server (3.8).

    Parameters
    ----------
    url
        The API, e.g. ``http://127.0.0.1:4200/api``.
    auth
        ``user:password`` where the server asks for it.
    """

    def __init__(self, url: str, *, auth: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"content-type": "application/json"}
        if auth:
            token = base64.b64encode(auth.encode()).decode()
            self._headers["authorization"] = f"Basic {token}"

    def runs(self, states: Sequence[str], *, since: datetime) -> list[Run]:
        """Return the runs that are in these states and were to start since, oldest first."""
        deployments = {each["id"]: each["title"] for each in self._deployments()}
        asked = {
            "flow_runs": {
                "state": {"type": {"any_": list(states)}},
                "expected_start_time": {"after_": since.isoformat()},
            },
            "sort": "EXPECTED_START_TIME_ASC",
        }
        return [_run(row, deployments) for row in self._pages("flow_runs", asked)]

    def start(
        self, deployment: str, parameters: Mapping[str, Any], *, key: str
    ) -> tuple[str, bool]:
        """Return the id of a run of ``flow/name`` and whether it is new: one key, one run."""
        found = self._ask("GET", f"deployments/name/{deployment}")[1]
        status, run = self._ask(
            "POST",
            f"deployments/{found['id']}/create_flow_run",
            {
                "parameters": dict(parameters),
                "idempotency_key": key,
                "state": {"type": "SCHEDULED"},
            },
        )
        return str(run["id"]), status == 201

    def set_state(self, run: Run, state: str, name: str, message: str) -> None:
        """Put a run into a state by force."""
        wanted: dict[str, Any] = {"type": state, "name": name, "message": message}
        if state == "SCHEDULED":  # a worker passes over what has no time
            wanted["state_details"] = {"scheduled_time": datetime.now(UTC).isoformat()}
        self._ask("POST", f"flow_runs/{run.id}/set_state", {"state": wanted, "force": True})

    def last_sign(self, run: Run) -> datetime | None:
        """Return when a run last said that it lives, if it ever did."""
        asked = {
            "filter": {
                "event": {"name": [HEARTBEAT]},
                "resource": {"id": [f"{EVENT_PREFIX}{run.id}"]},
                "occurred": {"since": run.since.isoformat()},
                "order": "DESC",
            },
            "limit": 1,
        }
        found = self._ask("POST", "events/filter", asked)[1]["events"]
        return datetime.fromisoformat(found[0]["occurred"]) if found else None

    def latest(self) -> dict[str, Run | None]:
        """Return of each deployment its latest run that came to an end, good or bad; ``None`` before one."""
        titles = {each["id"]: each["title"] for each in self._deployments()}
        found: dict[str, Run | None] = {}
        for at, title in sorted(titles.items(), key=lambda each: each[1]):
            asked = {
                "flow_runs": {"deployment_id": {"any_": [at]}, "state": {"type": {"any_": ENDED}}},
                "sort": "END_TIME_DESC",
                "limit": 1,
            }
            rows = self._ask("POST", "flow_runs/filter", asked)[1]
            found[title] = _run(rows[0], titles) if rows else None
        return found

    def scheduled(self, *, now: datetime) -> dict[str, int]:
        """Return of each deployment that has an active schedule how many runs lie ahead of it."""
        ahead = {row["title"]: 0 for row in self._deployments() if _is_active(row)}
        for run in self.runs(["SCHEDULED"], since=now):
            if run.deployment in ahead:
                ahead[run.deployment] += 1
        return ahead

    def _deployments(self) -> list[dict[str, Any]]:
        names = {each["id"]: each["name"] for each in self._pages("flows", {})}
        return [
            row | {"title": f"{names.get(row['flow_id'], '?')}/{row['name']}"}
            for row in self._pages("deployments", {})
        ]

    def _pages(self, what: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        while True:
            page = {**asked, "limit": PAGE, "offset": len(rows)}
            found = self._ask("POST", f"{what}/filter", page)[1]
            rows += found
            if len(found) < PAGE:
                return rows

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, Any]:
        request = urllib.request.Request(  # noqa: S310 - a setting
            f"{self._url}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers=self._headers,
            method=method,
        )
        for pause in (*PAUSES, None):
            try:
                return self._once(request, path)
            except _Busy as error:
                if pause is None:
                    raise Unavailable(str(error)) from error
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        raise AssertionError

    def _once(self, request: urllib.request.Request, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310
                content = reply.read()
                return reply.status, json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            if error.code in BUSY:
                raise _Busy(f"{self._url}/{path}: busy, {error.code}: {said}") from error
            if error.code == 404:
                raise NotFound(f"expected {path} at {self._url}, got 404: {said}") from error
            raise Unavailable(f"{self._url}/{path}: got {error.code}: {said}") from error
        except OSError as error:
            raise Unavailable(f"expected Prefect at {self._url}, got: {error}") from error


class _Busy(Exception):
    """The server is there and has no time: its database is locked. Every request here may be repeated."""


def _is_active(deployment: Mapping[str, Any]) -> bool:
    return not deployment["paused"] and any(each["active"] for each in deployment["schedules"])


def _run(row: Mapping[str, Any], deployments: Mapping[str, str]) -> Run:
    state, due = row["state"], row["expected_start_time"]
    return Run(
        id=row["id"],
        name=row["name"],
        deployment=deployments.get(row["deployment_id"], ""),
        parameters=row["parameters"],
        state=state["type"],
        state_name=state["name"],
        message=state.get("message") or "",
        since=datetime.fromisoformat(state["timestamp"]),
        due_at=datetime.fromisoformat(due) if due else None,
        tries=int(row["run_count"]),
    )
