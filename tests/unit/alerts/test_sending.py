"""An alert is signed as the standard says, said once, and kept until it has arrived."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydantic import SecretStr

from hki_ml.alerts import KINDS, alert, deliver, recent, send
from hki_ml.alerts import sending as sending_module
from hki_ml.alerts.signature import is_signed, signature
from hki_ml.errors import NotFound, SettingsError
from hki_ml.settings import AlertSettings, Settings
from tests.conftest import ROOT

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the standard's own example


@dataclass
class Receiver:
    """A real HTTP server that answers as told and remembers what came."""

    url: str
    answers: list[int] = field(default_factory=list)
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.came.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(found.answers.pop(0) if found.answers else 204)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_port}/alerts")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending_module, "FIRST_PAUSE_SECONDS", 0.001)


def settings(home: Path, url: str | None) -> Settings:
    alerts = AlertSettings(webhook_url=url, webhook_secret=SecretStr(SECRET), timeout_seconds=2)
    return Settings(home=home, alerts=alerts, _env_file=None)


BROKEN = alert(
    "data-broken", "sales", "half of the sales of king have no price since the 3rd", "n 812"
)


def test_a_receiver_can_tell_that_it_is_ours_and_of_now(tmp_path: Path, receiver: Receiver) -> None:
    sent = send(settings(tmp_path, receiver.url), BROKEN, now=NOW)
    ((headers, body),) = receiver.came
    assert sent.is_delivered
    assert is_signed(SECRET, headers, body, now=time.time())
    assert not is_signed(SECRET, headers, body.replace(b"king", b"ames"), now=time.time())
    assert not is_signed("whsec_AAAA", headers, body, now=time.time())
    assert not is_signed(SECRET, headers, body, now=time.time() + 3600)
    told = json.loads(body)
    assert told["type"] == "hki.alert"
    assert told["data"]["summary"] == BROKEN.summary
    assert told["data"]["runbook"] == "docs/runbooks/data-broken.md"


def test_the_same_alert_is_said_once_a_window_and_counted(
    tmp_path: Path, receiver: Receiver
) -> None:
    given = settings(tmp_path, receiver.url)
    times = [send(given, BROKEN, now=NOW + timedelta(minutes=m)).times for m in (0, 5, 10)]
    assert (times, len(receiver.came)) == ([1, 2, 3], 1)
    other = alert("data-broken", "leads", "leads stopped coming on the 4th")
    send(given, other, now=NOW)
    send(given, BROKEN, now=NOW + timedelta(hours=25))
    assert len(receiver.came) == 3
    assert [each.times for each in recent(given)] == [1, 3, 1]


def test_a_receiver_that_stumbles_gets_it_again_under_the_same_id(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.answers = [500, 503]
    assert send(settings(tmp_path, receiver.url), BROKEN, now=NOW).is_delivered
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    assert len(receiver.came) == 3


def test_what_could_not_be_sent_is_kept_and_arrives_later(
    tmp_path: Path, receiver: Receiver
) -> None:
    away = settings(tmp_path, "http://127.0.0.1:9/alerts")
    sent = send(away, BROKEN, now=NOW)
    assert not sent.is_delivered
    assert sent.problem
    assert deliver(away) == 0
    assert deliver(settings(tmp_path, receiver.url)) == 1
    assert deliver(settings(tmp_path, receiver.url)) == 0
    assert [each.is_delivered for each in recent(away)] == [True]


@pytest.mark.parametrize("code", [301, 302, 400, 404, 410])
def test_a_redirect_or_a_refusal_is_no_delivery(
    tmp_path: Path, receiver: Receiver, code: int
) -> None:
    receiver.answers = [code] * 4
    assert not send(settings(tmp_path, receiver.url), BROKEN, now=NOW).is_delivered
    assert len(receiver.came) == (1 if code == 410 else 4)


def test_an_alert_that_is_refused_stands_in_no_others_way(
    tmp_path: Path, receiver: Receiver
) -> None:
    given = settings(tmp_path, receiver.url)
    receiver.answers = [400] * 4
    assert not send(given, BROKEN, now=NOW).is_delivered
    away = settings(tmp_path, "http://127.0.0.1:9/alerts")
    for at in range(3):
        send(away, alert("drift-found", f"model {at}", "it drifted"), now=NOW)
    receiver.answers = [400, 200, 200, 200]
    assert deliver(given) == 3
    told = {each.alert.key: each.is_delivered for each in recent(given)}
    assert [key for key, arrived in told.items() if not arrived] == [BROKEN.key]


def test_without_a_webhook_it_stands_in_the_log(tmp_path: Path) -> None:
    given = settings(tmp_path, None)
    assert not send(given, BROKEN, now=NOW).is_delivered
    assert [each.alert for each in recent(given)] == [BROKEN]


def test_two_who_say_it_at_once_say_it_once(tmp_path: Path, receiver: Receiver) -> None:
    given = settings(tmp_path, receiver.url)
    threads = [threading.Thread(target=send, args=(given, BROKEN)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(receiver.came) == 1
    assert recent(given)[0].times == 8


def test_a_secret_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match="HKI_ALERTS__WEBHOOK_SECRET"):
        signature("whsec_%%%", "m", 0, b"")


def test_every_kind_has_an_owner_and_a_runbook_and_no_runbook_is_without_a_kind() -> None:
    runbooks = {path.stem: path.read_text() for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert runbooks.keys() == KINDS.keys()
    for name, text in runbooks.items():
        assert KINDS[name].owner in text
        assert KINDS[name].severity in text
        for part in ("## What it means", "## Look", "## Do", "## Over when"):
            assert part in text, (name, part)


def test_an_alert_of_no_kind_is_refused() -> None:
    with pytest.raises(NotFound, match="data-broken"):
        alert("data-brokn", "x", "y")
