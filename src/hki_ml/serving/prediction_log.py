"""Every answer becomes an event before it is given: written in groups, so that many wait for one disk."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from hki_ml.events import Event, PredictionMade, encode
from hki_ml.properties import PredictionProperties

SOURCE = "hki-serving"
Publish = Callable[[list[tuple[str, bytes]]], int]


@dataclass(frozen=True, slots=True)
class Said:
    """What was answered about an entity: by which versions, at which moment, from what."""

    entity_id: str
    model: str
    versions: Mapping[str, str]
    as_of: datetime
    features: Mapping[str, Any]
    answer: Mapping[str, Any]
    made_from: Mapping[str, Any] = field(default_factory=dict)

    def event(self, prediction_id: str) -> PredictionMade:
        """Return it as the event of that id."""
        return PredictionMade(
            event_id=UUID(prediction_id),
            entity_id=self.entity_id,
            occurred_at=self.as_of,
            received_at=self.as_of,
            source=SOURCE,
            properties=PredictionProperties(
                model=self.model,
                versions=dict(self.versions),
                as_of=self.as_of,
                features=dict(self.features),
                answer=dict(self.answer),
                made_from=dict(self.made_from),
            ),
        )


class PredictionLog:
    """Writes predictions to the bus; `write` returns when they are durable.

    Parameters
    ----------
    publish
        Makes (entity id, event) pairs durable; called on a thread of its own, one group after the other.
    keep
        How many of the latest are remembered for who looks them up at once.
    """

    def __init__(self, publish: Publish, *, keep: int = 20_000) -> None:
        self._publish = publish
        self._keep = keep
        self._recent: OrderedDict[str, Event] = OrderedDict()
        self._waiting: list[tuple[str, bytes, asyncio.Future[None]]] = []
        self._is_writing = False
        self._drain_task: asyncio.Task[None] | None = None  # asyncio itself keeps no reference
        self._thread = ThreadPoolExecutor(1, "prediction-log")

    async def write(self, prediction_id: str, said: Said) -> None:
        """Make a prediction durable.

        Raises
        ------
        Unavailable
            If it could not be made durable: the answer must not be given then.
        """
        event = said.event(prediction_id)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((said.entity_id, encode(event), future))
        if not self._is_writing:
            self._is_writing = True
            self._drain_task = loop.create_task(self._drain(loop))
        await future
        self._recent[prediction_id] = event
        while len(self._recent) > self._keep:
            self._recent.popitem(last=False)

    def recent(self, prediction_id: str) -> Event | None:
        """Return a prediction that was made here lately."""
        return self._recent.get(prediction_id)

    async def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                pairs = [(entity, raw) for entity, raw, _ in group]
                failure: Exception | None = None
                try:
                    await loop.run_in_executor(self._thread, self._publish, pairs)
                except Exception as error:  # noqa: BLE001 - whoever waits hears of it
                    failure = error
                for _, _, future in group:
                    _settle(future, failure)
        finally:
            self._is_writing = False


def _settle(future: asyncio.Future[None], failure: Exception | None) -> None:
    if future.done():  # who asked has gone; the others wait on
        return
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)
