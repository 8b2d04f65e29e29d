"""The gateway as an ASGI layer ahead of a framework: it answers everything but health and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hki_ml.serving.exchange import Request, Response
from hki_ml.serving.gateway import Gateway
from hki_ml.serving.problem import Problem, respond

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SYSTEM = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
PIECE_BYTES = 1 << 18
PICKLE = "application/vnd.bentoml+pickle"


class ClientGone(Exception):
    """The caller hung up before the body was complete."""


class FrontDoor:
    """Answers ahead of ``behind``, which keeps lifespan, health and metrics.

    Parameters
    ----------
    behind
        The framework's own application.
    gateway
        Looked up for each request: it exists only after the framework has started its service.
    """

    def __init__(self, behind: App, gateway: Callable[[], Gateway | None]) -> None:
        self._behind = behind
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection's event."""
        if scope["type"] != "http" or scope["path"] in SYSTEM:
            await self._behind(scope, receive, send)
            return
        gateway = self._gateway()
        if gateway is None:
            await reply(send, _starting(request_of(scope)))
            return
        request = request_of(scope)
        limit = gateway.body_limit(request.path) if request.method == "POST" else None
        if limit is not None:
            try:
                body = await read_body(request, receive, limit)
            except ClientGone:
                return
            if body is None:
                response = gateway.too_large(request).with_headers(("connection", "close"))
                await reply(send, response)
                return
            request = request_of(scope, body)
        await reply(send, await gateway.handle(request))


class RefusePickle:
    """Stands before a runner's listener and lets no pickled body through."""

    def __init__(self, behind: App) -> None:
        self._behind = behind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on whatever is not pickled."""
        if scope["type"] == "http":
            request = request_of(scope)
            if "pickle" in request.media_type:
                detail = "expected application/json"
                await reply(send, respond(Problem("media-type", detail), request.request_id))
                return
        await self._behind(scope, receive, send)


def request_of(scope: Scope, body: bytes = b"") -> Request:
    """Return the scope as a plain request."""
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
    raw_path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
    path = raw_path.split(b"?", 1)[0].decode("latin-1")
    query = scope.get("query_string", b"").decode("latin-1")
    return Request(scope["method"], path, query, headers, body)


async def read_body(request: Request, receive: Receive, limit: int) -> bytes | None:
    """Return the whole body, or ``None`` as soon as it is larger than the limit.

    Raises
    ------
    ClientGone
        If the caller hangs up first.
    """
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length[:20]) > limit:
        return None
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            return None
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)


async def reply(send: Send, response: Response) -> None:
    """Send a response."""
    headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in response.all_headers()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if response.file is not None:
        with await asyncio.to_thread(response.file.open, "rb") as file:
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": response.body})


def _starting(request: Request) -> Response:
    problem = Problem("unavailable", "the service is starting", headers=(("retry-after", "2"),))
    return respond(problem, request.request_id)
