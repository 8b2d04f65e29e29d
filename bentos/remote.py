"""Asking a runner that lives in a process of its own: JSON texts over BentoML's proxy, never pickles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hki_ml.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hki_ml.serving.replies import Reply


def is_remote(runner: object) -> bool:
    """Tell whether a dependency is a proxy to another process."""
    from _bentoml_impl.client import RemoteProxy  # type: ignore[import-untyped]

    return isinstance(runner, RemoteProxy)


class RemoteRunner:
    """Speaks to a runner's process; one retry where the connection broke (BentoML #4971)."""

    def __init__(self, proxy: Any, to_text: Callable[[Any], str]) -> None:
        self._proxy = proxy
        self._to_text = to_text
        # NOTE: the proxy pickles unless told otherwise, and our runners take no pickle.
        proxy.to_async.media_type = "application/json"

    async def answer(self, question: Any) -> Reply:
        """Return the runner's reply.

        Raises
        ------
        Unavailable
            If the runner does not answer.
        """
        from hki_ml.serving.replies import reply_from_text

        text = self._to_text(question)
        texts = await self._try(lambda: self._proxy.answer(questions=[text]))
        return reply_from_text(texts[0])

    async def describe(self) -> dict[str, Any] | None:
        """Return what the runner serves, ``None`` while that is nothing."""
        told = await self._try(self._proxy.describe)
        serving: dict[str, Any] | None = told["serving"]
        return serving

    async def _try(self, call: Callable[[], Awaitable[Any]]) -> Any:
        import aiohttp
        import httpx
        from bentoml.exceptions import BentoMLException

        silent = (BentoMLException, aiohttp.ClientError, httpx.HTTPError, OSError)
        try:
            return await call()
        except silent:
            try:
                return await call()
            except silent as error:
                raise Unavailable("a model's runner does not answer") from error
