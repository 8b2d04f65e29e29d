"""The runner of the investor matching: who should see a deal, and which deals suit an investor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.rooms import RoomRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hki_ml.ports import Lake
    from hki_ml.serving.match_model import MatchQuestion
    from hki_ml.serving.replies import Reply
    from hki_ml.settings import Settings


class InvestorMatchingRunner(RoomRunner):
    """Holds the champion of ``investor_matching`` and everybody who could be shown a deal."""

    ROOM = "investor_matching"

    def __init__(self) -> None:
        from hki_ml.serving.investors import PoolHolder
        from hki_ml.settings import load_settings

        super().__init__()
        settings = load_settings()
        self.pools = PoolHolder(self.lake(settings))
        self.pools.watch(settings.serving.reload_seconds)

    @staticmethod
    def lake(settings: Settings) -> Callable[[], Lake]:
        """Return how the lake is reached; it is reached on the watching thread."""
        from hki_ml.serving.once import Once
        from hki_ml.wiring import connect

        backend = Once(lambda: connect(settings))
        return lambda: backend().lake

    def ask_first(self, model: Any) -> None:
        """Ask about a deal of which nothing is known."""
        from hki_ml.serving.match_model import ask_first

        ask_first(model)

    def answer_all(self, questions: Sequence[MatchQuestion]) -> list[Reply]:
        """Return a reply to each question, in order."""
        from hki_ml.serving.match_model import answer_all

        return answer_all(self.holder, self.pools, questions)

    def read(self, text: str) -> MatchQuestion:
        """Return the question that a text holds."""
        from hki_ml.serving.match_model import question_from_text

        return question_from_text(text)

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop watching the registry and the investors."""
        self.pools.close()
        self.holder.close()


InvestorMatching = bentoml.service(
    name="investor_matching", service_class=Runner, workers=1, **CONNECTION
)(InvestorMatchingRunner)
