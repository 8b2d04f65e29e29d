"""``prefect.yaml`` holds what was asked: who runs when, alone, and on which event."""

from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from hki_ml.catalog import ROOMS
from tests.conftest import ROOT

FILE = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: list[dict[str, Any]] = FILE["deployments"]
RETRAIN = {
    each["name"]: each for each in DEPLOYMENTS if each["entrypoint"] == "flows/retrain.py:retrain"
}
GIVEN = {"model": "valuation", "file": "sales.csv", "mapping": "mine.toml"}
EVERY = {
    "lead_scoring": timedelta(weeks=1),
    "conversion": timedelta(weeks=1),
    "investor_matching": timedelta(weeks=1),
    "risk": timedelta(weeks=1),
    "time_to_close": timedelta(weeks=2),
    "valuation": timedelta(days=31),
}


def title(deployment: dict[str, Any]) -> str:
    return f"{deployment['entrypoint']} {deployment['name']}"


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=title)
def test_what_a_deployment_names_is_a_flow_that_takes_its_parameters(
    deployment: dict[str, Any],
) -> None:
    file, name = deployment["entrypoint"].split(":")
    flow = getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)
    given = {key: value for key, value in GIVEN.items() if key in flow.parameters.properties}
    flow.validate_parameters(given | deployment.get("parameters", {}))
    assert flow.timeout_seconds


def test_every_model_learns_again_on_schedule_and_when_it_drifts() -> None:
    assert set(ROOMS) <= set(RETRAIN) <= set(EVERY)
    for model, deployment in RETRAIN.items():
        (trigger,) = deployment["triggers"]
        assert trigger["match"] == {"prefect.resource.id": f"hki.model.{model}"}
        assert trigger["expect"] == ["hki.drift.detected"]
        assert deployment["parameters"] == {"model": model}


@pytest.mark.parametrize("model", sorted(RETRAIN))
def test_a_model_learns_as_often_as_was_asked(model: str) -> None:
    (schedule,) = RETRAIN[model]["schedules"]
    start = datetime(2026, 3, 1, tzinfo=UTC)
    times = coming(schedule, start, 3)
    gaps = {(b - a).days for a, b in pairwise(times)}
    assert all(gap <= EVERY[model].days for gap in gaps)
    assert all(gap >= EVERY[model].days - 3 for gap in gaps)


def test_schedules_keep_to_local_time_when_the_clocks_change() -> None:
    (schedule,) = RETRAIN["lead_scoring"]["schedules"]
    zone = ZoneInfo(schedule["timezone"])
    times = coming(schedule, datetime(2026, 3, 1, tzinfo=UTC), 3)  # clocks change on 8 March 2026
    assert {each.astimezone(zone).hour for each in times} == {3}
    assert len({each.astimezone(UTC).hour for each in times}) == 2


def coming(schedule: dict[str, Any], start: datetime, count: int) -> list[datetime]:
    """Return when the server would run it."""
    from prefect.server.schemas.schedules import CronSchedule, RRuleSchedule

    kind, rule = (CronSchedule, "cron") if "cron" in schedule else (RRuleSchedule, "rrule")
    made = kind(timezone=schedule["timezone"], **{rule: schedule[rule]})
    return list(asyncio.run(made.get_dates(count, start)))


def test_what_changes_something_runs_alone() -> None:
    alone = {title(each) for each in DEPLOYMENTS if "concurrency_limit" in each}
    by_hand = {"flows/importing.py:import_file file", "flows/train.py:train by-hand"}
    assert {title(each) for each in DEPLOYMENTS} - alone == by_hand
    for each in DEPLOYMENTS:
        if "concurrency_limit" in each:
            assert each["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


def test_every_flow_is_deployed() -> None:
    flows = {path.name for path in (ROOT / "flows").glob("*.py")} - {"__init__.py", "door.py"}
    assert {
        each["entrypoint"].split(":")[0].removeprefix("flows/") for each in DEPLOYMENTS
    } == flows


def test_every_schedule_has_a_time_zone() -> None:
    for each in DEPLOYMENTS:
        for schedule in each.get("schedules", []):
            ZoneInfo(schedule["timezone"])
