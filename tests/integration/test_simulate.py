"""A simulated market comes in by the door that everybody's events come in by, and only once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from hki_ml.cli import app
from hki_ml.settings import Settings
from hki_ml.simulation.market import events_table
from hki_ml.simulation.run import homes_in, simulate
from hki_ml.tables import SALES
from hki_ml.wiring import Backend, connect
from tests.unit.simulation.town import END, sales, town, world

NOW = END + timedelta(days=1)


@pytest.fixture
def backend(settings: Settings) -> Backend:
    return connect(settings)


def stored(backend: Backend) -> pl.DataFrame:
    rows = pl.DataFrame(pl.from_arrow(backend.lake.read("events")))
    return rows.sort("received_at", "entity_id", "event_id").drop("ingested_at")


def test_the_lake_holds_what_the_table_says_and_nothing_is_refused(backend: Backend) -> None:
    done = simulate(backend, world(300), town(), now=NOW)
    told = pl.DataFrame(pl.from_arrow(events_table(world(300), town()))).drop("ingested_at")
    assert stored(backend).equals(told)
    assert done.events == done.published == done.ingested.accepted == told.height
    assert done.ingested.quarantined.total() == done.ingested.duplicates == 0


def test_a_second_run_changes_nothing_and_a_later_end_only_appends(backend: Backend) -> None:
    longer = world(300)
    shorter = replace(longer, ends_at=END - timedelta(days=100))
    simulate(backend, shorter, town(), now=NOW)
    before, version = stored(backend), backend.lake.version("events")
    again = simulate(backend, shorter, town(), now=NOW)
    assert (again.published, again.ingested.read) == (0, 0)
    assert backend.lake.version("events") == version
    simulate(backend, longer, town(), now=NOW)
    after = stored(backend)
    assert after.height > before.height
    assert after.filter(pl.col("received_at") <= shorter.ends_at).equals(before)


def test_the_command_simulates_about_the_lakes_homes_and_writes_the_truth_beside(
    backend: Backend, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = sales().with_columns(is_arms_length=pl.lit(value=True)).to_arrow()
    columns = {name: rows[name] for name in rows.column_names}
    backend.lake.append("sales", table_of(columns))
    assert len(homes_in(backend.lake).ids) == len(town().ids)
    monkeypatch.setenv("HKI_HOME", str(settings.home))
    words = ["simulate", "--leads", "100", "--until", "2016-12-28", "--paths", "2"]
    said = CliRunner().invoke(app, [*words, "--defect", "leak", "--truth", str(tmp_path / "truth")])
    assert said.exit_code == 0, said.output
    assert "0 refused" in said.output
    assert (tmp_path / "truth" / "landmarks.parquet").exists()
    created = stored(backend).filter(pl.col("event_type") == "lead.created")
    assert created["properties_json"].str.contains('"propertyId":"home ').all()
    assert created["properties_json"].str.contains("title_order_usd").any()
    again = CliRunner().invoke(app, [*words, "--defect", "leak"])
    assert " 0 new" in again.output
    assert CliRunner().invoke(app, [*words, "--defect", "leek"]).exit_code == 2


def test_from_the_same_first_day_a_later_command_only_appends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HKI_HOME", str(settings.home))
    words = ["simulate", "--leads", "200", "--since", "2015-01-01", "--until"]
    assert CliRunner().invoke(app, [*words, "2016-06-01"]).exit_code == 0
    before = stored(connect(settings))
    assert CliRunner().invoke(app, [*words, "2016-09-01"]).exit_code == 0
    after = stored(connect(settings))
    assert after.height > before.height > 100
    assert after.filter(pl.col("received_at") <= datetime(2016, 6, 1, tzinfo=UTC)).equals(before)


def table_of(columns: dict[str, object]) -> object:
    import pyarrow as pa

    n = len(columns["price_usd"])  # type: ignore[arg-type]
    return pa.table(
        {field.name: columns.get(field.name, pa.nulls(n, field.type)) for field in SALES}
    ).cast(SALES)
