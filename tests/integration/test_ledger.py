"""The ledger on a real lake and a real registry: one order of decisions, whoever decides and dies when."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hki_ml.alerts import recent
from hki_ml.errors import Conflict, NotFound
from hki_ml.ledger import before, entries, taken_back
from hki_ml.pipeline.ledger import Decision, record, roll_back, settle
from hki_ml.pipeline.train import CHAMPION
from hki_ml.settings import Settings
from hki_ml.wiring import Backend, connect

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MODEL = "valuation"


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv("HKI_HOME", str(tmp_path))
    return connect(Settings(home=tmp_path, _env_file=None))


def register(backend: Backend, folder: Path) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "manifest.json").write_text("{}")
    tags = {"as_of": NOW.isoformat(), "code": "1+abc"}
    return backend.registry.register(MODEL, folder, figures={}, params={}, tags=tags).version


def promoted(backend: Backend, version: str, *, days: int = 0) -> None:
    known = settle(backend, MODEL, at=NOW)
    champion = backend.registry.resolve(MODEL, CHAMPION)
    made = backend.registry.version(MODEL, version)
    decision = Decision("promoted", made, champion.version if champion else None, ("better",), {})
    record(backend, decision, at=NOW + timedelta(days=days), after=known)


def serving(backend: Backend) -> str | None:
    champion = backend.registry.resolve(MODEL, CHAMPION)
    return None if champion is None else champion.version


@pytest.fixture
def three(backend: Backend, tmp_path: Path) -> list[str]:
    return [register(backend, tmp_path / "files") for _ in range(3)]


def test_every_decision_stands_with_who_when_why_and_what_it_replaced(backend, three):
    promoted(backend, three[0])
    promoted(backend, three[1], days=7)
    roll_back(backend, MODEL, at=NOW + timedelta(days=8), because="odds do not come true")
    first, second, third = entries(backend.lake, MODEL)
    assert [each.number for each in (first, second, third)] == [1, 2, 3]
    assert (second.decision, second.version, second.replaced) == ("promoted", three[1], three[0])
    assert (third.decision, third.version, third.replaced) == ("rolled back", three[0], three[1])
    assert third.reasons == ("odds do not come true",)
    assert (first.code, first.data_as_of) == ("1+abc", NOW.isoformat())
    assert first.by
    assert serving(backend) == three[0]
    (told,) = recent(backend.settings)
    assert (told.alert.severity, told.alert.runbook) == ("warning", "docs/runbooks/rolled-back.md")
    assert f"version {three[0]} serves again instead of {three[1]}: odds do" in told.alert.summary


def test_two_who_decide_at_once_are_one_who_wins_and_one_who_is_told(backend, three):
    promoted(backend, three[0])
    seen = settle(backend, MODEL, at=NOW)
    start, said = threading.Barrier(2), []

    def decide(version: str) -> None:
        own = connect(backend.settings)
        made = own.registry.version(MODEL, version)
        start.wait()
        try:
            record(own, Decision("promoted", made, three[0]), at=NOW, after=seen)
            said.append(("won", version))
        except Conflict as error:
            said.append(("lost", str(error)))

    threads = [threading.Thread(target=decide, args=(version,)) for version in three[1:]]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    outcome = dict(said)
    assert sorted(outcome) == ["lost", "won"]
    assert "another one was written meanwhile" in outcome["lost"]
    assert serving(backend) == outcome["won"]
    assert len(entries(backend.lake, MODEL)) == 2


def test_a_crash_between_ledger_and_alias_is_finished_by_who_comes_next(
    backend, three, monkeypatch
):
    promoted(backend, three[0])

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(backend.registry), "point", dies)
        with pytest.raises(KeyboardInterrupt):
            promoted(backend, three[1])
    assert serving(backend) == three[0]
    settle(backend, MODEL, at=NOW)
    assert serving(backend) == three[1]
    assert len(entries(backend.lake, MODEL)) == 2


def test_an_alias_that_somebody_moved_is_written_down_and_left(backend, three):
    promoted(backend, three[0])
    backend.registry.point(MODEL, CHAMPION, three[2])
    settle(backend, MODEL, at=NOW)
    last = entries(backend.lake, MODEL)[-1]
    assert (last.decision, last.version, last.replaced) == ("found", three[2], three[0])
    assert serving(backend) == three[2]
    settle(backend, MODEL, at=NOW)
    assert len(entries(backend.lake, MODEL)) == 2


def test_going_back_twice_skips_what_was_taken_back(backend, three):
    for version in three:
        promoted(backend, version)
    assert roll_back(backend, MODEL, at=NOW, because="bad").version == three[1]
    assert roll_back(backend, MODEL, at=NOW, because="bad too").version == three[0]
    assert serving(backend) == three[0]
    with pytest.raises(NotFound, match="name one with --to"):
        roll_back(backend, MODEL, at=NOW, because="and that")
    assert roll_back(backend, MODEL, at=NOW, because="was right", to=three[2]).version == three[2]


def test_nothing_to_go_back_to_is_told(backend, three):
    with pytest.raises(NotFound, match="expected a champion"):
        roll_back(backend, MODEL, at=NOW, because="no")
    promoted(backend, three[0])
    with pytest.raises(NotFound, match="served before"):
        roll_back(backend, MODEL, at=NOW, because="no")
    with pytest.raises(Conflict, match="serves already"):
        roll_back(backend, MODEL, at=NOW, because="no", to=three[0])
    with pytest.raises(NotFound, match="registered version"):
        roll_back(backend, MODEL, at=NOW, because="no", to="99")
    assert before([], "1") is None
    assert taken_back(entries(backend.lake, MODEL)) == {}
