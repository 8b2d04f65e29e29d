"""The one Bento: the gateway that answers HTTP, joined to the models' runners by ``depends``.

``bentoml serve bentos.service:HKI`` listens on loopback unless HKI_SERVING__HOST says otherwise.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

import bentoml
from bentoml import Context
from bentoml.exceptions import ServiceUnavailable
from bentoml.metrics import Histogram
from starlette.responses import Response as BentoResponse

from bentos.body import AnyBody
from bentos.embedding import CONNECTION, Door
from bentos.logs import configure
from bentos.valuation import Valuation
from hki_ml.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hki_ml.serving.gateway import Gateway
    from hki_ml.serving.opening import Stores
    from hki_ml.settings import Settings

_SERVING = load_settings().serving

GATEWAY: dict[str, Any] = {
    "workers": 1,
    "http": {"host": _SERVING.host, "port": _SERVING.port},
    "traffic": {"timeout": 30, "max_concurrency": 1000},
    "logging": {"access": {"enabled": False}},
    "tracing": {"excluded_urls": ".*"},
    **CONNECTION,
}

SECONDS = Histogram(
    "hki_request_seconds",
    "Seconds from a complete request to its answer",
    labelnames=["route", "status"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)


def observe(route: str, status: int, seconds: float) -> None:
    """Count an answer; routes are templates, so the series stay few."""
    SECONDS.labels(route=route, status=str(status)).observe(seconds)


class GatewayService:
    """Answers over HTTP; ``opened`` is the running gateway, which the front door asks."""

    valuation = bentoml.depends(Valuation)
    opened: ClassVar[Gateway | None] = None

    def __init__(self) -> None:
        from hki_ml.serving.opening import open_gateway

        configure()
        settings = load_settings()
        self.backend = self.connect(settings)
        ask, describe = _asking(self.valuation)
        self.warmed = threading.Event()
        gateway = open_gateway(
            self.backend, ask=ask, describe=describe, settings=settings.serving, observe=observe
        )
        type(self).opened = gateway
        threading.Thread(target=self._warm, args=(gateway,), name="warm", daemon=True).start()

    @staticmethod
    def connect(settings: Settings) -> Callable[[], Stores]:
        """Return how the stores are reached; they are reached at the first use, off the event loop."""
        from hki_ml.serving.once import Once
        from hki_ml.wiring import connect

        return Once(lambda: connect(settings))

    def _warm(self, gateway: Gateway) -> None:
        from hki_ml.serving.opening import warm

        warm(gateway)
        self.warmed.set()

    @bentoml.api(route="/api/v1/ml/value-property", input_spec=AnyBody, output_spec=AnyBody)
    async def value_property(self, ctx: Context) -> BentoResponse:
        """Value a home; the same handler that the front door calls."""
        from hki_ml.serving.asgi import request_of

        if self.opened is None:
            raise ServiceUnavailable("the service is closing")
        request = ctx.request
        answer = await self.opened.handle(request_of(request.scope, await request.body()))
        ctx.response.status_code = answer.status
        return BentoResponse(answer.body, answer.status, dict(answer.all_headers()))

    async def __is_ready__(self) -> bool:
        """Tell whether a model is loaded and the stores were reached once."""
        gateway = self.opened
        ready = gateway is not None and self.warmed.is_set()
        return ready and gateway is not None and await gateway.models.describe() is not None

    @bentoml.on_shutdown
    def close(self) -> None:
        """Take the gateway from the front door."""
        type(self).opened = None


def _asking(runner: Any) -> tuple[Any, Any]:
    """Return how a question is put to the runner and how it is asked what it serves."""
    from bentos.remote import RemoteRunner, is_remote
    from hki_ml.serving.valuations import describe

    if is_remote(runner):
        remote = RemoteRunner(runner)
        return remote.answer, remote.describe

    async def describe_here() -> dict[str, Any] | None:
        return describe(runner.holder)

    return runner.lanes.ask, describe_here


HKI = bentoml.service(name="hki_ml", service_class=Door, **GATEWAY)(GatewayService)
