"""A body that BentoML hands on unread, so that our reader alone decides what is well formed."""

from __future__ import annotations

from typing import Any

from _bentoml_sdk.io_models import IODescriptor  # type: ignore[import-untyped]


class AnyBody(IODescriptor):
    """No fields of BentoML's own; the handler reads the request's bytes."""

    @classmethod
    async def from_http_request(cls, request: Any, serde: Any) -> AnyBody:  # noqa: ARG003
        """Return itself, without touching the body."""
        return cls()
