"""A whole platform with simulated leads in a folder, and the real service over it in this process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kc_client import Application, InProcess, living

from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.promote import promote
from hki_ml.pipeline.train import CHALLENGER, CHAMPION, train
from hki_ml.serving.gateway import Gateway
from hki_ml.settings import load_settings
from hki_ml.simulation.run import simulate
from hki_ml.simulation.world import World
from hki_ml.wiring import Backend, connect
from tests.unit.simulation.town import town

ENDS = datetime(2016, 6, 1, tzinfo=UTC)
NOW = ENDS + timedelta(hours=6)
LEADS = 1_500
ROOMS = ("lead_scoring", "conversion", "time_to_close", "investor_matching", "risk")


@contextlib.contextmanager
def at_home(home: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HKI_HOME", str(home))
        patch.setenv("HKI_THREADS", "1")
        patch.setenv("HKI_SERVING__RELOAD_SECONDS", "0.05")
        patch.setenv("BENTOML_DO_NOT_TRACK", "True")
        patch.setenv("BENTOML_HOME", str(home / "bentoml"))
        yield


def prepare(home: Path) -> Backend:
    """Simulate a market below ``home`` and train the models on it."""
    with at_home(home):
        backend = connect(load_settings())
        simulate(backend, World.before(ENDS, leads=LEADS), town(), now=ENDS)
        materialize(backend, until=ENDS)
        for room in ROOMS:
            add_version(backend, room, as_of=ENDS, seed=0)
        return backend


def add_version(backend: Backend, room: str, *, as_of: datetime, seed: int) -> str:
    """Train a version and let it serve, gate or no gate: what is tried here is the service."""
    train(backend, room, as_of=as_of, seed=seed)
    promote(backend, room, as_of=as_of)
    challenger = backend.registry.resolve(room, CHALLENGER)
    assert challenger is not None
    backend.registry.point(room, CHAMPION, challenger.version)
    return challenger.version


def _service_of_its_own() -> Any:
    """The service with runners that no other application of this process holds or closes."""
    import bentoml
    from _bentoml_sdk.service.dependency import Dependency

    from bentos.embedding import Door
    from bentos.service import GATEWAY, GatewayService

    runners = {
        name: bentoml.depends(each.on)
        for name, each in vars(GatewayService).items()
        if isinstance(each, Dependency)
    }
    gateway = type("LeadsGateway", (GatewayService,), runners)
    return bentoml.service(name="hki_ml", service_class=Door, **GATEWAY)(gateway)


@contextlib.contextmanager
def application(home: Path) -> Iterator[Application]:
    with at_home(home):
        own = _service_of_its_own()
        front = own.to_asgi()
        with living(front) as loop:
            client = InProcess(front, loop)
            running = Application(client, InProcess(front._behind, loop), own.inner)
            deadline = time.monotonic() + 60
            while not all(
                each["servingVersion"]
                for each in client.get("/api/v1/ml/models").json()["data"]["models"]
                if each["name"] in ROOMS
            ):
                assert time.monotonic() < deadline, "the models were not loaded within a minute"
                time.sleep(0.01)
            set_clock(running, NOW)
            yield running


def set_clock(running: Application, now: datetime) -> None:
    """Let the service believe that it is this moment."""
    running.change(**handlers_at(running.service.opened, now))


def handlers_at(gateway: Gateway, now: datetime) -> dict[str, object]:
    """Return the handlers of a gateway that ask for the time, as they answer at this moment."""
    desk = replace(gateway.desk, clock=lambda: now)
    deals = replace(gateway.deals, desk=desk)
    return {
        "desk": desk,
        "leads": replace(gateway.leads, desk=desk),
        "deals": deals,
        "investors": replace(gateway.investors, deals=deals),
        "portfolio": replace(gateway.portfolio, deals=deals),
        "events": replace(gateway.events, clock=lambda: now),
        "calls": replace(gateway.calls, clock=lambda: now),
        "health": replace(gateway.health, clock=lambda: now),
    }
