"""Two lanes to one model: what is quick is answered on the event loop, what may take long in a thread.

A question as of a month in the past may have to prepare that month's market, which takes a tenth of a
second; nobody else waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from hki_ml.serving.batcher import TickBatcher

Q = TypeVar("Q")
R = TypeVar("R")


class TwoLanes(Generic[Q, R]):
    """Puts questions to ``answer_all``; those that ``is_slow`` names one after the other in one thread."""

    def __init__(
        self,
        answer_all: Callable[[Sequence[Q]], Sequence[R]],
        is_slow: Callable[[Q], bool],
    ) -> None:
        self._answer_all = answer_all
        self._is_slow = is_slow
        # A part of one: nobody's finished answer waits for the next one's.
        self._quick: TickBatcher[Q, R] = TickBatcher(answer_all, part=1)
        self._slow = ThreadPoolExecutor(1, "slow-lane")

    async def ask(self, question: Q) -> R:
        """Return the question's answer."""
        if not self._is_slow(question):
            return await self._quick.submit(question)
        loop = asyncio.get_running_loop()
        answers = await loop.run_in_executor(self._slow, self._answer_all, [question])
        return answers[0]

    def close(self) -> None:
        """Let the thread end; what it has not begun is dropped."""
        self._slow.shutdown(wait=False, cancel_futures=True)
