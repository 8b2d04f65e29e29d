"""What every runner of a room shares: holding a champion and answering batches of questions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import bentoml

from bentos.logs import configure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hki_ml.ports import ModelRegistry
    from hki_ml.serving.holder import Experiments
    from hki_ml.serving.replies import Reply
    from hki_ml.settings import Settings


class RoomRunner:
    """Holds one model's champion; embedded in the gateway by default, else a process of its own."""

    ROOM: ClassVar[str]

    def __init__(self) -> None:
        from hki_ml.serving.batcher import TickBatcher
        from hki_ml.serving.holder import ModelHolder
        from hki_ml.settings import load_settings

        configure()
        settings = load_settings()
        self.holder: ModelHolder[Any] = ModelHolder(
            self.ROOM,
            registry=self.registry(settings),
            load=self.load_settled,
            cache=settings.model_cache_path,
            experiments=self.experiments(settings),
        )
        self.batcher: TickBatcher[Any, Reply] = TickBatcher(self.answer_all, part=16)
        self.holder.watch(settings.serving.reload_seconds)

    @staticmethod
    def registry(settings: Settings) -> Callable[[], ModelRegistry]:
        """Return how the registry is reached; it is reached on the watching thread."""
        from hki_ml.serving.once import Once
        from hki_ml.wiring import connect

        backend = Once(lambda: connect(settings))
        return lambda: backend().registry

    @staticmethod
    def experiments(_: Settings) -> Experiments | None:
        """Return where experiments of the room are found; only answers about leads are split."""
        return None

    def load(self, folder: Path, version: str) -> Any:
        """Return the version in the folder, warmed."""
        from importlib import import_module

        return import_module(f"hki_ml.models.{self.ROOM}.predict").load(folder, version)

    def load_settled(self, folder: Path, version: str) -> Any:
        """Return the version in the folder, warm, and out of the garbage collector's way."""
        from hki_ml.serving.settled import settle

        model = self.load(folder, version)
        self.ask_first(model)
        settle()
        return model

    def ask_first(self, model: Any) -> None:
        """Put a question to a model, so that nobody else's is the first."""
        raise NotImplementedError

    def answer_all(self, questions: Sequence[Any]) -> list[Reply]:
        """Return a reply to each question, in order."""
        raise NotImplementedError

    def read(self, text: str) -> Any:
        """Return the question that a text holds."""
        raise NotImplementedError

    @bentoml.api(batchable=True, max_batch_size=64)
    async def answer(self, questions: list[str]) -> list[str]:
        """Answer a batch that comes from another process: JSON texts in, JSON texts out."""
        from hki_ml.serving.replies import reply_to_text

        asked = [self.read(text) for text in questions]
        replies = await asyncio.gather(*(self.batcher.submit(question) for question in asked))
        return [reply_to_text(reply) for reply in replies]

    @bentoml.api
    async def describe(self) -> dict[str, Any]:
        """Return what serves now, under ``serving``; null while no model is loaded."""
        from hki_ml.serving.lead_model import describe

        return {"serving": describe(self.holder)}

    async def __is_ready__(self) -> bool:
        """Tell whether a champion was looked for: where there is none yet, that is the answer."""
        return self.holder.has_looked

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop watching the registry."""
        self.holder.close()
