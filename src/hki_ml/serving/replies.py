"""What a runner replies: an answer or a problem, and both as text between processes."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from hki_ml.serving.exchange import encode
from hki_ml.serving.problem import FieldError, Problem

Reply = dict[str, Any] | Problem


def reply_to_text(reply: Reply) -> str:
    """Return a reply as JSON, to be sent back to the gateway."""
    if isinstance(reply, Problem):
        return msgspec.json.encode({"problem": reply}).decode()
    return encode({"data": reply}).decode()


def reply_from_text(text: str) -> Reply:
    """Return the reply that ``reply_to_text`` wrote."""
    content = orjson.loads(text)
    if "data" in content:
        data: dict[str, Any] = content["data"]
        return data
    told = content["problem"]
    errors = tuple(FieldError(**error) for error in told["errors"])
    headers = tuple((name, value) for name, value in told["headers"])
    return Problem(told["kind"], told["detail"], errors, headers)
