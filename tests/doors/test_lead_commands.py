"""``hki import`` and ``hki backtest`` on files of leads: a plain table and an event log."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from hki_ml.cli import app
from hki_ml.settings import load_settings
from hki_ml.wiring import connect

LEADS = 1_500
START = datetime(2020, 1, 1, tzinfo=UTC)
TABLE = """
event = "lead"
source = "here"
[id]
lead = ["id"]
[created]
column = "created"
[[ends]]
outcome = "closed"
when = [{ column = "won", equals = "yes" }]
at = { column = "ended" }
[[ends]]
outcome = "lost"
when = [{ column = "won", equals = "no" }]
at = { column = "ended" }
[facts]
size = { column = "size", kind = "number" }
need = { column = "need", kind = "number" }
campaign = { column = "campaign", kind = "category" }
"""
LOG = """
event = "lead.log"
source = "here"
[id]
lead = ["case"]
event = ["number"]
[created]
column = "at"
[activity]
columns = ["what"]
[activity.events]
"came" = "lead.created"
"called" = "lead.contacted"
"answered" = "lead.replied"
"won" = "lead.closed"
"lost" = "lead.lost"
[facts]
size = { column = "size", kind = "number" }
need = { column = "need", kind = "number" }
"""
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HKI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HKI_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(app, words)


def cases() -> list[tuple[int, str, datetime, bool, int]]:
    """Return number, size and need, arrival, whether it was won, and days to the end."""
    chance = np.random.default_rng(3)
    sizes = chance.uniform(0, 10, LEADS).round(2)
    others = chance.uniform(0, 10, LEADS).round(2)
    won = chance.random(LEADS) < 1 / (1 + np.exp(6 - 0.45 * sizes - 0.45 * others))
    days = chance.integers(5, 60, LEADS)
    return [
        (i, f"{sizes[i]},{others[i]}", START + timedelta(hours=8 * i), bool(won[i]), int(days[i]))
        for i in range(LEADS)
    ]


def write_table(file: Path) -> None:
    rows = [
        f"{i},{came:%Y-%m-%d},{'yes' if won else 'no'},{came + timedelta(days=days):%Y-%m-%d},{size},c{i % 3}"
        for i, size, came, won, days in cases()
    ]
    file.write_text("\n".join(["id,created,won,ended,size,need,campaign", *rows]) + "\n")


def write_log(file: Path) -> None:
    rows = []
    for i, size, came, won, days in cases():
        steps = [(0.0, "came"), (1.0, "called")]
        steps += [(2.5, "answered")] if won or i % 4 == 0 else []
        steps += [(float(days), "won" if won else "lost")]
        rows += [(came + timedelta(days=day), i, what, size) for day, what in steps]
    lines = [
        f"{n},{i},{at:%Y-%m-%dT%H:%M:%SZ},{what},{size}"
        for n, (at, i, what, size) in enumerate(sorted(rows))
    ]
    file.write_text("\n".join(["number,case,at,what,size,need", *lines]) + "\n")


def outcomes() -> dict[str, int]:
    """Return how many leads of the lake ended how."""
    from hki_ml.pipeline.tabulate import tabulate_leads

    lake = connect(load_settings()).lake
    tabulate_leads(lake)
    found = lake.read("leads")["outcome"].to_pylist()
    return {name: found.count(name) for name in ("closed", "lost")}


@pytest.mark.parametrize(("mapping", "write"), [(TABLE, write_table), (LOG, write_log)])
def test_a_file_of_leads_is_imported_once_and_every_lead_ends_as_it_says(
    run: Run, mapping: str, write: Callable[[Path], None]
) -> None:
    write(Path("x.csv"))
    Path("m.toml").write_text(mapping)
    first = run("import", "x.csv", "-m", "m.toml")
    assert first.exit_code == 0, first.output
    won = sum(each[3] for each in cases())
    assert outcomes() == {"closed": won, "lost": LEADS - won}
    version = connect(load_settings()).lake.version("events")
    again = run("import", "x.csv", "-m", "m.toml")
    assert again.exit_code == 0, again.output
    assert connect(load_settings()).lake.version("events") == version


@pytest.mark.parametrize(("mapping", "write"), [(TABLE, write_table), (LOG, write_log)])
def test_a_backtest_finds_what_decides_and_tells_it_with_intervals_beside_its_rivals(
    run: Run, mapping: str, write: Callable[[Path], None]
) -> None:
    write(Path("x.csv"))
    Path("m.toml").write_text(mapping)
    found = run("backtest", "lead_scoring", "x.csv", "-m", "m.toml", "--json", "out.json")
    assert found.exit_code == 0, found.output
    told = json.loads(Path("out.json").read_text())
    assert told["split"] == "in time"
    text = json.dumps(told)
    for figure in ("AUC", "PR-AUC", "Brier", "slope"):
        assert figure in found.output or figure in text, figure
    assert auc(told) > 0.75


def auc(told: dict) -> float:
    """Return the first AUC of a report."""
    for name, each in told.items():
        if name == "AUC" and isinstance(each, dict):
            return float(each["value"])
        if isinstance(each, dict):
            found = auc(each)
            if found:
                return found
    return 0.0


def test_a_mapping_of_leads_does_not_fit_a_file_without_its_columns(run: Run) -> None:
    Path("x.csv").write_text("id,created\n1,2020-01-01\n")
    Path("m.toml").write_text(TABLE)
    for command in (("import",), ("backtest", "lead_scoring")):
        found = run(*command, "x.csv", "-m", "m.toml")
        assert found.exit_code == 2, found.output
        assert "no column" in found.output
