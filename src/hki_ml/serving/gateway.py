"""The one door: which route answers which request, and how whatever goes wrong is told.

Framework-free: the ASGI layer and BentoML's own API both call ``Gateway.handle``, so that a request is
answered with the same bytes on either way.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import unquote

import structlog

from hki_ml.errors import HkiError
from hki_ml.serving.call_list import Calls
from hki_ml.serving.cards import Cards
from hki_ml.serving.deals import DealDesk
from hki_ml.serving.event_door import EventDoor
from hki_ml.serving.exchange import JSON, Request, Response, encode, tagged
from hki_ml.serving.health import Health
from hki_ml.serving.investor_pages import Investors
from hki_ml.serving.jobs import MOST_BYTES, Jobs
from hki_ml.serving.lead_pages import Leads
from hki_ml.serving.leads import LeadDesk
from hki_ml.serving.lookups import Homes, Models
from hki_ml.serving.openapi import document
from hki_ml.serving.page import (
    deals_page,
    docs_page,
    health_page,
    jobs_page,
    leads_page,
    valuation_page,
)
from hki_ml.serving.portfolio import PortfolioDesk
from hki_ml.serving.predictions import Predictions
from hki_ml.serving.problem import KINDS, Problem, ProblemError, of_error, respond
from hki_ml.serving.value_property import ValueProperty

log = structlog.get_logger()

ROOT = "/api/v1"
API = f"{ROOT}/ml"
VALUE_PROPERTY = f"{API}/value-property"
EVENTS = f"{ROOT}/events"
BATCH, JOBS = f"{API}/batch", f"{API}/jobs"
LIMITS = {EVENTS: 16_777_216, BATCH: MOST_BYTES}  # bytes; a thousand events of 16 kB

Route = Callable[[Request], Awaitable[Response]]
ItemRoute = Callable[[Request, str], Awaitable[Response]]
Observe = Callable[[str, int, float], None]


def _unobserved(_route: str, _status: int, _seconds: float) -> None:
    """Observe nothing; the default until a door brings its metrics."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """Answers every request that is not the framework's own (health and metrics).

    Parameters
    ----------
    valuing, homes, models, desk, leads, events, predictions, cards, deals, investors, portfolio, jobs,
    calls, health
        The handlers.
    body_max_bytes
        Largest body that is read.
    observe
        Told route template, status and seconds of each answer; few distinct routes, so safe as labels.
    """

    valuing: ValueProperty
    homes: Homes
    models: Models
    desk: LeadDesk
    leads: Leads
    events: EventDoor
    predictions: Predictions
    cards: Cards
    deals: DealDesk
    investors: Investors
    portfolio: PortfolioDesk
    jobs: Jobs
    calls: Calls
    health: Health
    body_max_bytes: int = 262_144
    observe: Observe = _unobserved

    async def handle(self, request: Request) -> Response:
        """Return the response to any request; nothing escapes as an exception."""
        started = time.perf_counter()
        request_id = request.request_id
        route = "unknown"
        try:
            route, answer = self._route(request)
            if request.method == "POST":
                self._check_body(request)
            response = await answer(request)
        except ProblemError as error:
            response = respond(error.problem, request_id)
        except HkiError as error:
            response = respond(of_error(error), request_id)
        except Exception:  # the door: told in the log, with its trace; never to the caller
            log.exception("request_failed", request_id=request_id, route=route)
            response = respond(Problem("internal", KINDS["internal"][2]), request_id)
        if request.method == "HEAD":
            response = replace(response, body=b"", file=None)
        self.observe(route, response.status, time.perf_counter() - started)
        return response.with_headers(("x-request-id", request_id))

    def body_limit(self, path: str) -> int | None:
        """Return how many bytes a body may have that is posted there; ``None`` where none is read."""
        if path in LIMITS:
            return LIMITS[path]
        return self.body_max_bytes if path in self._posts() else None

    def _posts(self) -> dict[str, Route]:
        return {
            VALUE_PROPERTY: self.valuing,
            f"{API}/score-lead": self.desk.score,
            f"{API}/predict-conversion": self.desk.convert,
            f"{API}/predict-time-to-close": self.desk.time,
            f"{API}/match-investors": self.deals.matched,
            f"{API}/match-portfolio": self.portfolio.planned,
            f"{API}/assess-risk": self.deals.assessed,
            EVENTS: self.events,
            BATCH: self.jobs.create,
        }

    def too_large(self, request: Request) -> Response:
        """Return the answer to a body that is too large to be read."""
        limit = f"expected at most {self.body_limit(request.path)} bytes"
        request_id = request.request_id
        response = respond(Problem("too-large", limit), request_id)
        self.observe(request.path, response.status, 0.0)
        return response.with_headers(("x-request-id", request_id))

    def _route(self, request: Request) -> tuple[str, Route]:
        path = request.path
        posted = self._posts().get(path)
        if posted is not None:
            _allow(request, "POST")
            return path, posted
        fixed: dict[str, Route] = {
            "/": _page,
            "/leads": _leads,
            "/deals": _deals,
            "/jobs": _jobs,
            "/health": _health,
            JOBS: self.jobs.all,
            "/docs": _docs,
            "/openapi.json": _openapi,
            f"{API}/properties": self.homes.search,
            f"{API}/models": self.models.all,
            f"{API}/leads": self.leads.search,
            f"{API}/health": self.health.all,
            f"{API}/call-list": self.calls.list,
            f"{API}/track-record": self.leads.track_record,
        }
        if path in fixed:
            _allow(request, "GET", "HEAD")
            return path, fixed[path]
        items: dict[tuple[str, str], ItemRoute] = {
            (f"{API}/properties/", ""): self.homes.one,
            (f"{API}/models/", "/card"): self.cards.one,
            (f"{API}/models/", ""): self.models.one,
            (f"{API}/leads/", ""): self.leads.one,
            (f"{API}/investors/", ""): self.investors.one,
            (f"{API}/predictions/", "/explanation"): self.predictions.explanation,
            (f"{API}/predictions/", ""): self.predictions.one,
            (f"{JOBS}/", "/result"): self.jobs.result,
            (f"{JOBS}/", "/rejects"): self.jobs.rejects,
            (f"{JOBS}/", ""): self.jobs.one,
        }
        for (prefix, suffix), answer in items.items():
            item = path.removeprefix(prefix).removesuffix(suffix)
            if path == prefix + item + suffix and item and "/" not in item:
                ends = ("DELETE",) if (prefix, suffix) == (f"{JOBS}/", "") else ()
                _allow(request, "GET", "HEAD", *ends)
                name = unquote(item, errors="replace")
                return prefix + "{id}" + suffix, partial(_item, answer, name)
        raise ProblemError(Problem("not-found", "no such route; see /docs"))

    def _check_body(self, request: Request) -> None:
        limit = self.body_limit(request.path) or 0
        if len(request.body) > limit:
            raise ProblemError(Problem("too-large", f"expected at most {limit} bytes"))
        if request.media_type != JSON and request.path != BATCH:  # takes files, and looks itself
            got = request.media_type[:80] or "none"
            raise ProblemError(Problem("media-type", f"expected {JSON}, got {got}"))
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise ProblemError(Problem("media-type", "expected a body without content encoding"))


def _allow(request: Request, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        raise ProblemError(
            Problem("method-not-allowed", f"expected {allowed}", headers=(("allow", allowed),))
        )


async def _item(answer: ItemRoute, name: str, request: Request) -> Response:
    return await answer(request, name)


async def _page(request: Request) -> Response:
    return tagged(request, valuation_page())


async def _leads(request: Request) -> Response:
    return tagged(request, leads_page())


async def _deals(request: Request) -> Response:
    return tagged(request, deals_page())


async def _jobs(request: Request) -> Response:
    return tagged(request, jobs_page())


async def _health(request: Request) -> Response:
    return tagged(request, health_page())


async def _docs(request: Request) -> Response:
    return tagged(request, docs_page(document()))


async def _openapi(request: Request) -> Response:
    return tagged(request, Response(200, encode(document())))
