"""Alerts on their way: into the log first, then to the webhook, again until they have arrived.

The log is a SQLite file, which several processes of a machine may write; on several machines the
receiver tells repetitions by ``webhook-id``, which is the same for the same alert of the same window.
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hki_ml.alerts.alert import Alert
from hki_ml.alerts.signature import signature
from hki_ml.settings import AlertSettings, Settings

ATTEMPTS = 4
MOST_FAILED = 3  # in a row, of those that wait
FIRST_PAUSE_SECONDS = 0.5
_GONE = 410  # the receiver asks to be left alone (Standard Webhooks)
_TABLE = """
CREATE TABLE IF NOT EXISTS alerts (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, at REAL NOT NULL, last_at REAL NOT NULL,
    times INTEGER NOT NULL, alert TEXT NOT NULL, delivered_at REAL, attempts INTEGER NOT NULL,
    problem TEXT
)"""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an alert: ``times`` it was said in this window, and where it stands.

    ``is_delivered`` is false as well where no webhook is set.
    """

    id: str
    alert: Alert
    at: datetime
    times: int
    is_delivered: bool
    problem: str | None

    @property
    def is_new(self) -> bool:
        """Return whether it was said for the first time in this window."""
        return self.times == 1


def send(settings: Settings, alert: Alert, *, now: datetime | None = None) -> Sent:
    """Log an alert and, the first time within ``alerts.repeat_hours``, send it.

    Never raises for a receiver that is away: the alert stays in the log for `deliver`.
    """
    now = now or datetime.now(UTC)
    with _log(settings) as log:
        found = _record(log, alert, now, timedelta(hours=settings.alerts.repeat_hours))
    _say(alert, found)
    if found.is_new:
        _try(settings, found)
        with _log(settings) as log:
            return _read(log, "WHERE id = ?", found.id)[0]
    return found


def deliver(settings: Settings) -> int:
    """Send again what has not arrived, what was tried least first; return how many arrived now.

    One that the receiver refuses stays in nobody's way; after three in a row it is left in peace.
    """
    if settings.alerts.webhook_url is None or not settings.alerts_path.exists():
        return 0
    with _log(settings) as log:
        waiting = _read(log, "WHERE delivered_at IS NULL ORDER BY attempts, at LIMIT 100")
    arrived = failed = 0
    for each in waiting:
        did = _try(settings, each, attempts=1)
        arrived, failed = arrived + did, 0 if did else failed + 1
        if failed == MOST_FAILED:
            break
    return arrived


def recent(settings: Settings, *, most: int = 100) -> list[Sent]:
    """Return the newest alerts, newest first."""
    if not settings.alerts_path.exists():
        return []
    with _log(settings) as log:
        return _read(log, "ORDER BY last_at DESC LIMIT ?", most)


@contextmanager
def _log(settings: Settings) -> Iterator[sqlite3.Connection]:
    settings.alerts_path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(settings.alerts_path, timeout=10, isolation_level=None)
    try:
        connection.execute(_TABLE)
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    finally:
        connection.close()


def _record(log: sqlite3.Connection, alert: Alert, now: datetime, window: timedelta) -> Sent:
    stamp, since = now.timestamp(), (now - window).timestamp()
    known = _read(log, "WHERE key = ? AND at > ? ORDER BY at DESC LIMIT 1", alert.key, since)
    if known:
        log.execute(
            "UPDATE alerts SET times = times + 1, last_at = ? WHERE id = ?", (stamp, known[0].id)
        )
        return _read(log, "WHERE id = ?", known[0].id)[0]
    number = hashlib.sha256(f"{alert.key}\n{stamp}".encode()).hexdigest()[:24]
    log.execute(
        "INSERT INTO alerts VALUES (?, ?, ?, ?, 1, ?, NULL, 0, NULL)",
        (f"alert_{number}", alert.key, stamp, stamp, json.dumps(asdict(alert))),
    )
    return _read(log, "WHERE id = ?", f"alert_{number}")[0]


def _read(log: sqlite3.Connection, rest: str, *values: Any) -> list[Sent]:
    columns = "id, alert, at, times, delivered_at, problem"
    rows = log.execute(f"SELECT {columns} FROM alerts {rest}", values).fetchall()  # noqa: S608 - ours
    return [
        Sent(
            number, Alert(**json.loads(alert)), datetime.fromtimestamp(at, UTC), times,
            delivered is not None, problem,
        )
        for number, alert, at, times, delivered, problem in rows
    ]  # fmt: skip


def _say(alert: Alert, sent: Sent) -> None:
    import structlog

    log = structlog.get_logger("hki.alerts")
    say = {"info": log.info, "warning": log.warning, "critical": log.critical}[alert.severity]
    say(alert.summary, key=alert.key, owner=alert.owner, runbook=alert.runbook, times=sent.times)


def _try(settings: Settings, sent: Sent, *, attempts: int = ATTEMPTS) -> bool:
    """Send to the webhook, if there is one; return whether it arrived."""
    if settings.alerts.webhook_url is None:
        return False
    tried, problem = 0, None
    for tried in range(1, attempts + 1):
        problem = _post(settings.alerts, sent, datetime.now(UTC))
        if problem is None or problem.startswith(str(_GONE)):
            break
        if tried < attempts:
            _pause(tried)
    at = None if problem is not None else datetime.now(UTC).timestamp()
    with _log(settings) as log:
        log.execute(
            "UPDATE alerts SET delivered_at = ?, attempts = attempts + ?, problem = ? WHERE id = ?",
            (at, tried, problem, sent.id),
        )
    return problem is None


def _pause(tried: int, sleep: Callable[[float], None] = time.sleep) -> None:
    # Jitter: many senders that fail at once must not come back at once.
    sleep(FIRST_PAUSE_SECONDS * 2 ** (tried - 1) * random.uniform(0.5, 1.5))  # noqa: S311 - no secret


def _post(settings: AlertSettings, sent: Sent, now: datetime) -> str | None:
    """Return why it did not arrive, or nothing."""
    body = json.dumps(
        {"type": "hki.alert", "timestamp": sent.at.isoformat(), "data": asdict(sent.alert)}
    ).encode()
    headers = {
        "content-type": "application/json",
        "user-agent": "hki-ml",
        "webhook-id": sent.id,
        "webhook-timestamp": str(int(now.timestamp())),
    }
    if settings.webhook_secret is not None:
        secret = settings.webhook_secret.get_secret_value()
        headers["webhook-signature"] = signature(secret, sent.id, int(now.timestamp()), body)
    request = urllib.request.Request(  # noqa: S310 - a setting
        str(settings.webhook_url), data=body, headers=headers, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=settings.timeout_seconds):
            return None
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}"
    except OSError as error:
        return f"no answer: {error}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A receiver that moved has to be set anew: a redirect would carry the alert to anybody."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)
