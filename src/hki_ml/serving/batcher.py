"""Batches without waiting: what arrived in one tick of the event loop is one batch.

No timer, no window: a lone question is answered at once, a burst is answered together. After each part
of a large batch the loop gets its turn, so that health checks and lookups are not starved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")


class TickBatcher(Generic[Q, R]):
    """Calls ``answer_all`` once a tick with everything submitted in it, at most ``part`` at a time."""

    def __init__(self, answer_all: Callable[[Sequence[Q]], Sequence[R]], *, part: int = 16) -> None:
        self._answer_all = answer_all
        self._part = part
        self._waiting: list[tuple[Q, asyncio.Future[R]]] = []
        self._scheduled = False

    def submit(self, question: Q) -> asyncio.Future[R]:
        """Return the future of the question's answer."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._waiting.append((question, future))
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        return future

    def _flush(self) -> None:
        batch, self._waiting = self._waiting[: self._part], self._waiting[self._part :]
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            asyncio.get_running_loop().call_soon(self._flush)
        batch = [(question, future) for question, future in batch if not future.done()]
        if not batch:
            return
        try:
            answers = self._answer_all([question for question, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever waits hears of it
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)
