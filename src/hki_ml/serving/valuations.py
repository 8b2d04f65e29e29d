"""The answering side of the valuation: questions in, ready-made answers or problems out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from hki_ml.errors import FactOutOfRange, HkiError, NotEnoughData
from hki_ml.models.valuation.answer import Valuation
from hki_ml.serving import known_facts, render
from hki_ml.serving.asked import iso
from hki_ml.serving.holder import Held, ModelHolder
from hki_ml.serving.model import Question, ValuationModel
from hki_ml.serving.problem import Problem, of_error, unavailable
from hki_ml.serving.remembered import RememberedAnswers
from hki_ml.serving.replies import Reply

log = structlog.get_logger()

_questions = msgspec.json.Decoder(Question)


def answer_all(
    holder: ModelHolder[ValuationModel],
    questions: Sequence[Question],
    remembered: RememberedAnswers | None = None,
) -> list[Reply]:
    """Return a reply to each question, in order, all by the same model version.

    A question that cannot be answered gets its problem; the others are not touched by it.
    """
    held = holder.held
    if held is None:
        return [unavailable("no valuation model is loaded yet")] * len(questions)
    return answer_held(held, questions, remembered)


def answer_held(
    held: Held[ValuationModel],
    questions: Sequence[Question],
    remembered: RememberedAnswers | None = None,
) -> list[Reply]:
    """Return a reply to each question by a model that is at hand."""
    return [_remembered(held, question, remembered) for question in questions]


def is_slow(
    holder: ModelHolder[ValuationModel], question: Question, remembered: RememberedAnswers
) -> bool:
    """Tell whether a question may take long: it is of the past, and was not answered before."""
    held = holder.held
    if held is None or question.as_of is None or question.as_of >= held.model.latest:
        return False
    return not remembered.holds(held, _asked(held, question))


def _asked(held: Held[ValuationModel], question: Question) -> Hashable:
    """Return all that the answer depends on, beside the model."""
    as_of = _as_of(held.model, question)
    return (tuple(question.home.items()), as_of, question.choice, question.terms)


def _as_of(model: ValuationModel, question: Question) -> datetime:
    return question.as_of or min(question.asked_at, model.latest)


def _remembered(
    held: Held[ValuationModel], question: Question, remembered: RememberedAnswers | None
) -> Reply:
    if remembered is None:
        return _answer(held, question)
    asked = _asked(held, question)
    known = remembered.recall(held, asked)
    if known is not None:
        return known
    reply = _answer(held, question)
    if not isinstance(reply, Problem):
        remembered.keep(held, asked, reply)
    return reply


def _answer(held: Held[ValuationModel], question: Question) -> Reply:
    model = held.model
    as_of = _as_of(model, question)
    home, passed_over = known_facts.split(question.home, model.known_facts)
    try:
        try:
            said = model.answer(home, as_of=as_of, choice=question.choice, terms=question.terms)
            _check_pins(said, question)
        except NotEnoughData as error:
            said = Valuation(as_of, reasons_against=(str(error),))
        return {
            **render.valuation(said, home),
            "ignoredFacts": passed_over,
            "modelVersion": model.version,
            "fallbackLevel": "lastGoodModel" if held.is_last_good else "full",
        }
    except HkiError as error:
        return of_error(error)
    except Exception:  # a door: the caller is told nothing of it, the log everything
        log.exception("valuation_failed", model_version=model.version)
        return Problem("internal", "the valuation failed")


def _check_pins(said: Valuation, question: Question) -> None:
    shown = {sale.sale_id for sale in said.comparables}
    absent = [sale for sale in question.choice.pin if sale not in shown]
    if absent:
        raise FactOutOfRange(
            "/comparables/pin", f"expected a sale made before {iso(said.as_of)}, got {absent[0]!r}"
        )


def describe(holder: ModelHolder[ValuationModel]) -> dict[str, Any] | None:
    """Return what serves now: version, newest sale, facts it looks at; ``None`` if nothing does."""
    held = holder.held
    if held is None:
        return None
    return {
        "version": held.model.version,
        "latest": iso(held.model.latest),
        "degraded": held.is_last_good,
        "facts": [msgspec.to_builtins(fact) for fact in held.model.known_facts],
    }


def question_to_text(question: Question) -> str:
    """Return a question as JSON, to be sent to a runner in another process."""
    return msgspec.json.encode(question).decode()


def question_from_text(text: str) -> Question:
    """Return the question that ``question_to_text`` wrote."""
    return _questions.decode(text)
