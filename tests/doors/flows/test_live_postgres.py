"""`hki platform` with Prefect and MLflow on a real Postgres: what drifts is retrained, schedules run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hki_ml.ledger import TABLE, entries
from hki_ml.pipeline.incidents import latest
from tests.doors.flows.conftest import Walked
from tests.doors.flows.live import Stack, incident, platform, until, write
from tests.servers import postgres

pytestmark = pytest.mark.server
FLOOR_SECONDS = 15.0


@pytest.fixture(scope="module")
def stack(walked: Walked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    import psycopg

    home = tmp_path_factory.mktemp("postgres") / "flows"
    shutil.copytree(walked.home, home)
    # MLflow begins anew on Postgres: who was champion in the registry before is nobody's champion here.
    shutil.rmtree(home / "hki" / "lake" / TABLE)
    with postgres() as url:
        plain = url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            for name in ("prefect", "mlflow"):
                connection.execute(f"CREATE DATABASE {name}")
        of = url.rsplit("/", 1)[0]
        told = {
            "HKI_PLATFORM__PREFECT_DATABASE": f"{of}/prefect".replace("+psycopg", "+asyncpg"),
            "HKI_PLATFORM__MLFLOW_DATABASE": f"{of}/mlflow",
        }
        with platform(replace(walked, home=home), **told) as found:
            yield found
        with psycopg.connect(f"{plain.rsplit('/', 1)[0]}/prefect") as connection:
            kept = connection.execute("SELECT count(*) FROM flow_run").fetchone()
        assert kept is not None
        assert kept[0] > 0
        assert not (home / "hki" / "prefect" / "prefect.db").exists()


def test_a_drift_becomes_a_champion(stack: Stack) -> None:
    backend = stack.backend()
    found = incident("on-postgres")
    write(backend, [found])
    emitted = datetime.now(UTC)
    stack.drifts(found)
    (run,) = until(
        lambda: [r for r in stack.of("on-postgres") if r.state in ("COMPLETED", "FAILED")],
        seconds=120,
        what="the retraining to its end",
    )
    assert run.state == "COMPLETED", run.message
    (row,) = stack.ask("POST", "flow_runs/filter", {"flow_runs": {"id": {"any_": [run.id]}}})
    delay = (datetime.fromisoformat(row["start_time"]) - emitted).total_seconds()
    print(f"\nevent to started: {delay:.1f} s on Postgres")
    assert delay <= FLOOR_SECONDS
    assert latest(backend.lake)["on-postgres"].state == "handed_over"
    (entry,) = entries(backend.lake, "valuation")
    assert entry.decision == "promoted"


def test_every_schedule_has_a_run_ahead(stack: Stack) -> None:
    until(
        lambda: (ahead := stack.runs.scheduled(now=datetime.now(UTC))) and all(ahead.values()),
        seconds=90,
        what="a run ahead of every deployment that has a schedule",
    )
