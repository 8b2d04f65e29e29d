"""The answering side of the valuation: questions in, ready-made answers or problems out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import orjson
import structlog

from hki_ml.errors import HkiError, NotEnoughData
from hki_ml.models.valuation.answer import Valuation
from hki_ml.serving import render
from hki_ml.serving.asked import iso
from hki_ml.serving.exchange import encode
from hki_ml.serving.holder import ModelHolder
from hki_ml.serving.model import Question, ValuationModel
from hki_ml.serving.problem import FieldError, Problem, of_error, unavailable

log = structlog.get_logger()

Reply = dict[str, Any] | Problem
_questions = msgspec.json.Decoder(Question)


def answer_all(holder: ModelHolder[ValuationModel], questions: Sequence[Question]) -> list[Reply]:
    """Return a reply to each question, in order, all by the same model version.

    A question that cannot be answered gets its problem; the others are not touched by it.
    """
    held = holder.held
    if held is None:
        return [unavailable("no valuation model is loaded yet")] * len(questions)
    return [_answer(held.model, question, stale=held.is_last_good) for question in questions]


def _answer(model: ValuationModel, question: Question, *, stale: bool) -> Reply:
    as_of = question.as_of or min(question.asked_at, model.latest)
    try:
        try:
            said = model.answer(
                question.home,
                as_of=as_of,
                choice=question.choice,
                terms=question.terms,
            )
        except NotEnoughData as error:
            said = Valuation(as_of, reasons_against=(str(error),))
        return {
            **render.valuation(said),
            "modelVersion": model.version,
            "fallbackLevel": "lastGoodModel" if stale else "full",
        }
    except HkiError as error:
        return of_error(error)
    except Exception:  # a door: the caller is told nothing of it, the log everything
        log.exception("valuation_failed", model_version=model.version)
        return Problem("internal", "the valuation failed")


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


def reply_to_text(reply: Reply) -> str:
    """Return a reply as JSON, to be sent back to the gateway."""
    if isinstance(reply, Problem):
        return msgspec.json.encode({"problem": reply}).decode()
    return encode({"data": reply}).decode()


def reply_from_text(text: str) -> Reply:
    """Return the reply that ``reply_to_text`` wrote."""
    content = orjson.loads(text)
    if "data" in content:
        data: dict[str, Any] = content["data"]
        return data
    told = content["problem"]
    errors = tuple(FieldError(**error) for error in told["errors"])
    headers = tuple((name, value) for name, value in told["headers"])
    return Problem(told["kind"], told["detail"], errors, headers)
