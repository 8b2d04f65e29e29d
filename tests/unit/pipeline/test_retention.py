"""What a rule names is deleted when its time is over; nothing else is, least of all what is learned from."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from hki_ml.errors import SettingsError
from hki_ml.pipeline.retention import MEMORY, Rule, retain, rules
from hki_ml.settings import LoopSettings, Settings
from hki_ml.tables import EVENTS, QUARANTINE
from hki_ml.wiring import Backend, connect

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def backend(settings: Settings) -> Backend:
    return connect(settings)


def refused(*days_ago: int) -> pa.Table:
    rows = [
        {"quarantine_id": f"q{days}", "quarantined_at": NOW - timedelta(days=days)}
        for days in days_ago
    ]
    return pa.Table.from_pylist(rows, schema=QUARANTINE)


def test_old_rows_go_and_a_second_time_none_does(backend: Backend) -> None:
    backend.lake.append("quarantine", refused(1, 364, 366, 1_000))
    deleted = [{each.what: each.deleted for each in retain(backend, now=NOW)} for _ in range(2)]
    assert [each["quarantine"] for each in deleted] == [2, 0]
    assert backend.lake.read("quarantine")["quarantine_id"].to_pylist() == ["q1", "q364"]


def test_events_of_any_age_stay(backend: Backend) -> None:
    old = [{"event_id": "e", "ingested_at": NOW - timedelta(days=20_000)}]
    backend.lake.append("events", pa.Table.from_pylist(old, schema=EVENTS))
    retain(backend, now=NOW)
    assert backend.lake.read("events").num_rows == 1
    assert not {rule.table for rule in rules(LoopSettings())} & set(MEMORY)


@pytest.mark.parametrize("table", MEMORY)
def test_a_rule_for_what_all_is_made_from_is_refused(backend: Backend, table: str) -> None:
    with pytest.raises(SettingsError, match=table):
        retain(backend, now=NOW, by=[Rule(table, "ingested_at", 1, "space")])


def test_a_rule_with_a_wrong_column_deletes_nothing(backend: Backend) -> None:
    backend.lake.append("quarantine", refused(1_000))
    with pytest.raises(SettingsError, match="quarantined"):
        retain(backend, now=NOW, by=[Rule("quarantine", "quarantined", 1, "typo")])
    assert backend.lake.read("quarantine").num_rows == 1


def test_old_reports_go_and_new_ones_stay(backend: Backend) -> None:
    folder = backend.settings.reports_path / "drift"
    folder.mkdir(parents=True)
    for name, days in (("old.html", 366), ("new.html", 1)):
        (folder / name).write_text("x")
        at = (NOW - timedelta(days=days)).timestamp()
        os.utime(folder / name, (at, at))
    retain(backend, now=NOW)
    assert [path.name for path in folder.iterdir()] == ["new.html"]
