"""The real Bento application in this process, on the test's stores, with a clock that stands still."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

NOW = datetime(2026, 7, 1, 12, 0, 0, 123000, tzinfo=UTC)
VALUE = "/api/v1/ml/value-property"
HOME = "7129300520"
PREDICTION_ID = "019f0000-0000-7000-8000-000000000001"


class InProcess:
    """Asks an ASGI application without a socket; its loop and lifespan run in a thread of their own."""

    def __init__(self, app: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://hki.test")

    def request(
        self, method: str, path: str, *, content: Any = None, **given: Any
    ) -> httpx.Response:
        if content is not None and not isinstance(content, str | bytes):
            content = _pieces(content)
        asked = self._client.request(method, path, content=content, **given)
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result(60)

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def head(self, path: str, **given: Any) -> httpx.Response:
        return self.request("HEAD", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)


async def _pieces(content: Any) -> Any:
    for piece in content:
        yield piece


def _free_metric_names() -> None:
    """Let a second application of this process start: BentoML registers its metrics once each."""
    for collector, names in list(REGISTRY._collector_to_names.items()):
        if any(name.startswith("bentoml_service_") for name in names):
            REGISTRY.unregister(collector)


@contextlib.contextmanager
def living(app: Any) -> Iterator[asyncio.AbstractEventLoop]:
    """Yield a running loop on which the application has started; end both afterwards."""
    _free_metric_names()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    sent: asyncio.Queue[str] = asyncio.Queue()
    told: asyncio.Queue[str] = asyncio.Queue()

    async def receive() -> dict[str, str]:
        return {"type": await sent.get()}

    async def send(message: Any) -> None:
        await told.put(message["type"])

    async def tell(what: str) -> str:
        await sent.put(f"lifespan.{what}")
        return await told.get()

    async def live() -> None:
        try:
            await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
        except BaseException:  # whoever waits for an answer must hear why none will come
            await told.put(traceback.format_exc())
            raise

    asyncio.run_coroutine_threadsafe(live(), loop)
    try:
        started = asyncio.run_coroutine_threadsafe(tell("startup"), loop).result(60)
        assert started == "lifespan.startup.complete", started
        yield loop
        asyncio.run_coroutine_threadsafe(tell("shutdown"), loop).result(60)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass(frozen=True)
class Application:
    """``front`` is what answers callers; ``behind`` is BentoML's own application."""

    front: InProcess
    behind: InProcess
    service: Any

    def change(self, **fields: Any) -> None:
        """Replace fields of the running gateway."""
        self.service.opened = replace(self.service.opened, **fields)


@contextlib.contextmanager
def application(home: Path) -> Iterator[Application]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HKI_HOME", str(home))
        patch.setenv("HKI_SERVING__RELOAD_SECONDS", "0.05")
        patch.setenv("BENTOML_DO_NOT_TRACK", "True")
        patch.setenv("BENTOML_HOME", str(home / "bentoml"))
        import kc_service

        front = kc_service.HKI.to_asgi()
        with living(front) as loop:
            client = InProcess(front, loop)
            running = Application(client, InProcess(front._behind, loop), kc_service.HKI.inner)
            while client.get("/readyz").status_code != 200:
                os.sched_yield()
            valuing = replace(
                running.service.opened.valuing, clock=lambda: NOW, new_id=lambda _: PREDICTION_ID
            )
            homes = replace(running.service.opened.homes, valuing=valuing)
            running.change(valuing=valuing, homes=homes)
            yield running
