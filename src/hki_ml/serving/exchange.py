"""One HTTP request and its response as plain values, and what every response carries."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

JSON = "application/json"
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class Request:
    """What came: ``path`` is percent-encoded as sent, header names are lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def request_id(self) -> str:
        """The caller's X-Request-Id if it is harmless in a header and a log, else a new one."""
        sent = self.headers.get("x-request-id", "")
        return sent if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)

    @property
    def media_type(self) -> str:
        """The media type without its parameters, in lower case; empty if none was sent."""
        return self.headers.get("content-type", "").split(";", 1)[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back; ``file`` is sent piece by piece in place of the body."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    file: Path | None = None

    def with_headers(self, *more: tuple[str, str]) -> Response:
        """Return the same response with further headers."""
        return replace(self, headers=self.headers + more)

    def all_headers(self) -> list[tuple[str, str]]:
        """Return every header but the connection's own."""
        length = len(self.body) if self.file is None else self.file.stat().st_size
        return [
            ("content-type", self.media_type),
            ("content-length", str(length)),
            ("x-content-type-options", "nosniff"),
            *self.headers,
        ]


def encode(content: Any) -> bytes:
    """Return JSON bytes; NaN and infinities become null."""
    return orjson.dumps(content, option=_OPTIONS)


def success(data: Any) -> Response:
    """Return the envelope of every good answer."""
    return Response(200, encode({"success": True, "data": data}))


def tagged(request: Request, response: Response) -> Response:
    """Return the response with its ETag, or 304 if the caller has it already."""
    tag = f'"{hashlib.blake2b(response.body, digest_size=12).hexdigest()}"'
    known = [
        part.strip().removeprefix("W/")
        for part in request.headers.get("if-none-match", "").split(",")
    ]
    headers = (*response.headers, ("etag", tag), ("cache-control", "no-cache"))
    if tag in known or known == ["*"]:
        return Response(304, b"", response.media_type, headers)
    return replace(response, headers=headers)
