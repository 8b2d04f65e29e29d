"""The valuation's runner: a Bento service that holds the champion and answers batches of questions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.logs import configure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hki_ml.ports import ModelRegistry
    from hki_ml.serving.model import Question, ValuationModel
    from hki_ml.serving.replies import Reply
    from hki_ml.settings import Settings


class ValuationRunner:
    """Holds the valuation's champion; embedded in the gateway by default, else a process of its own."""

    def __init__(self) -> None:
        from hki_ml.serving.holder import ModelHolder
        from hki_ml.serving.lanes import TwoLanes
        from hki_ml.serving.remembered import RememberedAnswers
        from hki_ml.settings import load_settings

        configure()
        settings = load_settings()
        self.holder: ModelHolder[ValuationModel] = ModelHolder(
            "valuation",
            registry=self.registry(settings),
            load=self.load_settled,
            cache=settings.model_cache_path,
        )
        self.remembered = RememberedAnswers()
        self.lanes: TwoLanes[Question, Reply] = TwoLanes(self.answer_all, self.is_slow)
        self.holder.watch(settings.serving.reload_seconds)

    @staticmethod
    def registry(settings: Settings) -> Callable[[], ModelRegistry]:
        """Return how the registry is reached; it is reached on the watching thread."""
        from hki_ml.serving.once import Once
        from hki_ml.wiring import connect

        backend = Once(lambda: connect(settings))
        return lambda: backend().registry

    @staticmethod
    def load(folder: Path, version: str) -> ValuationModel:
        """Return the version in the folder, warmed."""
        from hki_ml.models.valuation.appraiser import load

        return load(folder, version)

    def load_settled(self, folder: Path, version: str) -> ValuationModel:
        """Return the version in the folder, out of the garbage collector's way."""
        from hki_ml.serving.settled import settle

        model = self.load(folder, version)
        settle()
        return model

    def answer_all(self, questions: Sequence[Question]) -> list[Reply]:
        """Return a reply to each question, in order."""
        from hki_ml.serving.valuations import answer_all

        return answer_all(self.holder, questions, self.remembered)

    def is_slow(self, question: Question) -> bool:
        """Tell whether a question belongs in the slow lane."""
        from hki_ml.serving.valuations import is_slow

        return is_slow(self.holder, question, self.remembered)

    @bentoml.api(batchable=True, max_batch_size=64)
    async def answer(self, questions: list[str]) -> list[str]:
        """Answer a batch that comes from another process: JSON texts in, JSON texts out."""
        from hki_ml.serving.replies import reply_to_text
        from hki_ml.serving.valuations import question_from_text

        asked = [question_from_text(text) for text in questions]
        replies = await asyncio.gather(*(self.lanes.ask(question) for question in asked))
        return [reply_to_text(reply) for reply in replies]

    @bentoml.api
    async def describe(self) -> dict[str, Any]:
        """Return what serves now, under ``serving``; null while no model is loaded."""
        from hki_ml.serving.valuations import describe

        return {"serving": describe(self.holder)}

    async def __is_ready__(self) -> bool:
        """Tell whether a champion was looked for: where there is none yet, that is the answer."""
        return self.holder.has_looked

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop watching the registry, and end the slow lane."""
        self.holder.close()
        self.lanes.close()


Valuation = bentoml.service(name="valuation", service_class=Runner, workers=1, **CONNECTION)(
    ValuationRunner
)
