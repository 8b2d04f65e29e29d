"""The one Bento: the gateway that answers HTTP, joined to the models' runners by ``depends``.

``bentoml serve bentos.service:HKI`` listens on loopback unless HKI_SERVING__HOST says otherwise.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

import bentoml
from bentoml import Context
from bentoml.exceptions import ServiceUnavailable
from bentoml.metrics import Histogram
from starlette.responses import Response as BentoResponse

from bentos.body import AnyBody
from bentos.conversion import Conversion
from bentos.embedding import CONNECTION, Door
from bentos.investor_matching import InvestorMatching
from bentos.lead_scoring import LeadScoring
from bentos.logs import configure
from bentos.risk import Risk
from bentos.time_to_close import TimeToClose
from bentos.valuation import Valuation
from hki_ml.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from hki_ml.serving.gateway import Gateway
    from hki_ml.serving.jobs_worker import JobWorker
    from hki_ml.serving.opening import Rooms, Stores, WayIn
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
    lead_scoring = bentoml.depends(LeadScoring)
    conversion = bentoml.depends(Conversion)
    time_to_close = bentoml.depends(TimeToClose)
    investor_matching = bentoml.depends(InvestorMatching)
    risk = bentoml.depends(Risk)
    opened: ClassVar[Gateway | None] = None

    def __init__(self) -> None:
        from hki_ml.serving.opening import open_gateway

        configure()
        settings = load_settings()
        self.worker = _worker(settings)
        self.backend = self.connect(settings)
        self.warmed = threading.Event()
        gateway = open_gateway(
            self.backend,
            _rooms(self),
            self.way_in(settings),
            settings=settings,
            observe=observe,
            jobs=self.worker.jobs,
        )
        type(self).opened = gateway
        self.worker.start()
        threading.Thread(target=self._warm, args=(gateway,), name="warm", daemon=True).start()

    @staticmethod
    def connect(settings: Settings) -> Callable[[], Stores]:
        """Return how the stores are reached; they are reached at the first use, off the event loop."""
        from hki_ml.serving.once import Once
        from hki_ml.wiring import connect

        return Once(lambda: connect(settings))

    @staticmethod
    def way_in(settings: Settings) -> WayIn:
        """Return how events become durable, and how the lake is brought up to them."""
        from hki_ml.pipeline.ingest import ingest
        from hki_ml.serving.once import Once
        from hki_ml.serving.opening import WayIn
        from hki_ml.wiring import connect

        backend = Once(lambda: connect(settings))

        def publish(pairs: list[tuple[str, bytes]]) -> int:
            return backend().bus.publish(pairs)

        def catch_up() -> None:
            ingest(backend().bus, backend().lake, ingested_at=datetime.now(UTC))

        return WayIn(publish, catch_up)

    def _warm(self, gateway: Gateway) -> None:
        from hki_ml.serving.opening import warm

        warm(gateway)
        self.warmed.set()

    @bentoml.api(route="/api/v1/ml/value-property", input_spec=AnyBody, output_spec=AnyBody)
    async def value_property(self, ctx: Context) -> BentoResponse:
        """Value a home; the same handler that the front door calls."""
        return await self._answer(ctx)

    @bentoml.api(route="/api/v1/ml/score-lead", input_spec=AnyBody, output_spec=AnyBody)
    async def score_lead(self, ctx: Context) -> BentoResponse:
        """Score a lead."""
        return await self._answer(ctx)

    @bentoml.api(route="/api/v1/ml/predict-conversion", input_spec=AnyBody, output_spec=AnyBody)
    async def predict_conversion(self, ctx: Context) -> BentoResponse:
        """Say whether a lead closes, by when, through which stages."""
        return await self._answer(ctx)

    @bentoml.api(route="/api/v1/ml/predict-time-to-close", input_spec=AnyBody, output_spec=AnyBody)
    async def predict_time_to_close(self, ctx: Context) -> BentoResponse:
        """Say when a lead closes or is lost."""
        return await self._answer(ctx)

    @bentoml.api(route="/api/v1/ml/match-investors", input_spec=AnyBody, output_spec=AnyBody)
    async def match_investors(self, ctx: Context) -> BentoResponse:
        """Say who should see a deal."""
        return await self._answer(ctx)

    @bentoml.api(route="/api/v1/ml/assess-risk", input_spec=AnyBody, output_spec=AnyBody)
    async def assess_risk(self, ctx: Context) -> BentoResponse:
        """Say what can go wrong with a deal."""
        return await self._answer(ctx)

    @bentoml.api(route="/api/v1/events", input_spec=AnyBody, output_spec=AnyBody)
    async def take_events(self, ctx: Context) -> BentoResponse:
        """Take events in."""
        return await self._answer(ctx)

    async def _answer(self, ctx: Context) -> BentoResponse:
        from hki_ml.serving.asgi import request_of

        if self.opened is None:
            raise ServiceUnavailable("the service is closing")
        request = ctx.request
        answer = await self.opened.handle(request_of(request.scope, await request.body()))
        ctx.response.status_code = answer.status
        return BentoResponse(answer.body, answer.status, dict(answer.all_headers()))

    async def __is_ready__(self) -> bool:
        """Tell whether any model is loaded and the stores were reached once."""
        gateway = self.opened
        if gateway is None or not self.warmed.is_set():
            return False
        return any(told is not None for told in (await gateway.models.serving()).values())

    @bentoml.on_shutdown
    def close(self) -> None:
        """Take the gateway from the front door, and end the work on jobs until the next start."""
        type(self).opened = None
        self.worker.close()


def _worker(settings: Settings) -> JobWorker:
    """Return who does the jobs of this home."""
    from hki_ml.serving.bulks import BULKS
    from hki_ml.serving.jobs_worker import JobWorker

    models = {name: bulk.also for name, bulk in BULKS.items()}
    return JobWorker(settings.jobs_path, models, program="hki_ml.terminal.working")


def _rooms(gateway: Any) -> Rooms:
    """Return how each room is asked and how it describes itself, in this process or another."""
    from hki_ml.serving import lead_model, match_model, valuations
    from hki_ml.serving.opening import Rooms

    asks: dict[str, Any] = {}
    describes: dict[str, Any] = {}
    asks["valuation"], describes["valuation"] = _asking(
        gateway.valuation,
        valuations.question_to_text,
        here=lambda runner: (runner.lanes.ask, valuations.describe),
    )
    asks["investor_matching"], describes["investor_matching"] = _asking(
        gateway.investor_matching,
        match_model.question_to_text,
        here=lambda runner: (runner.batcher.submit, lead_model.describe),
    )
    for name in ("lead_scoring", "conversion", "time_to_close", "risk"):
        asks[name], describes[name] = _asking(
            getattr(gateway, name),
            lead_model.question_to_text,
            here=lambda runner: (runner.batcher.submit, lead_model.describe),
        )
    return Rooms(asks, describes, _scorer(gateway.lead_scoring))


def _scorer(runner: Any) -> Callable[..., Any]:
    """Return how the gateway gets at the lead scorer; with runners elsewhere it holds one of its own.

    With a lead's id it is the version that answers that lead, without one it scores each by its own.
    """
    from bentos.remote import is_remote

    if is_remote(runner):
        runner = LeadScoring.inner()

    def held(lead_id: str | None = None) -> Any:
        from hki_ml.ledger import CHALLENGER_ARM
        from hki_ml.serving.split import SplitScorer

        held, split = runner.holder.held, runner.holder.split
        if held is None or split is None:
            return None if held is None else held.model
        if lead_id is None:
            return SplitScorer(held.model, split)
        return split.model if split.arm(lead_id) == CHALLENGER_ARM else held.model

    return held


def _asking(
    runner: Any, to_text: Callable[[Any], str], *, here: Callable[[Any], tuple[Any, Any]]
) -> tuple[Any, Any]:
    """Return how a question is put to a runner and how it is asked what it serves."""
    from bentos.remote import RemoteRunner, is_remote

    if is_remote(runner):
        remote = RemoteRunner(runner, to_text)
        return remote.answer, remote.describe
    ask, describe = here(runner)

    async def describe_here() -> dict[str, Any] | None:
        told: dict[str, Any] | None = describe(runner.holder)
        return told

    return ask, describe_here


HKI = bentoml.service(name="hki_ml", service_class=Door, **GATEWAY)(GatewayService)
