"""What the runners of the models of leads share: the questions that they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bentos.rooms import RoomRunner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hki_ml.serving.holder import Experiments
    from hki_ml.serving.lead_model import LeadQuestion
    from hki_ml.serving.replies import Reply
    from hki_ml.settings import Settings


class LeadRunner(RoomRunner):
    """Answers questions about leads."""

    @staticmethod
    def experiments(settings: Settings) -> Experiments:
        """Return the experiments of the ledger; it is read on the watching thread."""
        from hki_ml.pipeline.experiment import LedgerExperiments
        from hki_ml.serving.once import Once
        from hki_ml.wiring import connect

        return LedgerExperiments(Once(lambda: connect(settings)))

    def ask_first(self, model: Any) -> None:
        """Ask about a lead of whom nothing is known."""
        from hki_ml.serving.lead_model import CALLS, a_first_question

        CALLS[self.ROOM](model, a_first_question())

    def answer_all(self, questions: Sequence[LeadQuestion]) -> list[Reply]:
        """Return a reply to each question, in order."""
        from hki_ml.serving.lead_model import CALLS, answer_all

        return answer_all(self.holder, questions, CALLS[self.ROOM])

    def read(self, text: str) -> LeadQuestion:
        """Return the question that a text holds."""
        from hki_ml.serving.lead_model import question_from_text

        return question_from_text(text)
