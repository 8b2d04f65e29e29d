"""What the rooms of leads must be able to do so that they can be served, and what is asked of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import msgspec
import structlog

from hki_ml.errors import HkiError
from hki_ml.ledger import CHALLENGER_ARM, CHAMPION_ARM
from hki_ml.serving.holder import Held, ModelHolder
from hki_ml.serving.problem import Problem, of_error, unavailable
from hki_ml.serving.replies import Reply
from hki_ml.serving.split import Split
from hki_ml.tables import LEAD_STATE

log = structlog.get_logger()

MADE_AT = "event_timestamp"
"""When a state was made, beside its columns: old state lowers the confidence."""
HORIZONS_DAYS: tuple[int, ...] = (14, 30, 60, 90, 180)


@dataclass(frozen=True, slots=True)
class LeadQuestion:
    """A lead's state, and the moment that is asked about.

    ``close_90`` is the lead score's probability, which the other rooms agree with; ``horizons_days``
    matters to the conversion alone, and ``curve`` (days and probability, as the conversion said them)
    to the time to close, which agrees with it. ``entity`` is the lead's id, by which an experiment
    knows which version answers; without one the champion does.
    ``others`` is what the other rooms said, for the risk.
    """

    state: Mapping[str, Any]
    as_of: datetime
    close_90: float | None = None
    horizons_days: tuple[int, ...] = HORIZONS_DAYS
    entity: str | None = None
    curve: tuple[tuple[int, float], ...] | None = None
    others: Mapping[str, Any] | None = None


class LeadScorer(Protocol):
    """A loaded version of the lead scoring room."""

    @property
    def version(self) -> str:
        """The version that answers are signed with."""
        ...

    def answer(self, state: Mapping[str, Any], *, as_of: datetime) -> Any:
        """Return the score of the lead with its reasons."""
        ...


class ConversionModel(Protocol):
    """A loaded version of the conversion room."""

    @property
    def version(self) -> str:
        """The version that answers are signed with."""
        ...

    def answer(
        self,
        state: Mapping[str, Any],
        *,
        as_of: datetime,
        close_90: float | None,
        horizons: tuple[int, ...],
    ) -> Any:
        """Return the odds of closing by horizon, and through which stages."""
        ...


class TimeModel(Protocol):
    """A loaded version of the room of the time to close."""

    @property
    def version(self) -> str:
        """The version that answers are signed with."""
        ...

    def answer(
        self,
        state: Mapping[str, Any],
        *,
        as_of: datetime,
        close_90: float | None,
        curve: tuple[tuple[int, float], ...] | None,
    ) -> Any:
        """Return when the lead closes or is lost."""
        ...


def answer_all(
    holder: ModelHolder[Any],
    questions: Sequence[LeadQuestion],
    ask: Callable[[Any, LeadQuestion], Any],
) -> list[Reply]:
    """Return a reply to each question, in order, all by the same model version."""
    held = holder.held
    if held is None:
        return [unavailable(f"no {holder.name} model is loaded yet")] * len(questions)
    replies: list[Reply] = []
    level = "lastGoodModel" if held.is_last_good else "full"
    split = holder.split
    for question in questions:
        try:
            if split is not None:
                replies.append(_of_arm(split, held, question, ask, level))
                continue
            replies.append(reply_of(held.model, held.version, question, ask, level=level))
        except HkiError as error:
            replies.append(of_error(error))
        except Exception:  # a door: the caller is told nothing of it, the log everything
            log.exception("answer_failed", model=holder.name, model_version=held.version)
            replies.append(Problem("internal", "the model failed"))
    return replies


def _of_arm(
    split: Split,
    held: Held[Any],
    question: LeadQuestion,
    ask: Callable[[Any, LeadQuestion], Any],
    level: str,
) -> dict[str, Any]:
    """Return what the version says that answers this lead; the champion, if that one fails."""
    arm = split.arm(question.entity)
    begun = time.perf_counter()
    said: dict[str, Any] | None = None
    if arm == CHALLENGER_ARM:
        try:
            said = reply_of(split.model, split.experiment.challenger, question, ask, level=level)
        except Exception as error:  # whatever it is, the lead gets an answer
            log.exception("challenger_failed", model=split.experiment.model)
            split.failed(type(error).__name__)
            arm = CHAMPION_ARM
    if said is None:
        said = reply_of(held.model, held.version, question, ask, level=level)
    split.took(arm, time.perf_counter() - begun)
    return said if question.entity is None else {**said, "experiment": split.told(arm)}


def reply_of(
    model: Any,
    version: str,
    question: LeadQuestion,
    ask: Callable[[Any, LeadQuestion], Any],
    *,
    level: str = "full",
) -> dict[str, Any]:
    """Return what a model says to a question, with its version and how well off it is."""
    return {
        **msgspec.to_builtins(ask(model, question), enc_hook=_scalar),
        "version": version,
        "fallback_level": level,
    }


def _scalar(value: Any) -> Any:
    """Return a number of numpy's as one of Python's."""
    return value.item()


def ask_scoring(model: LeadScorer, question: LeadQuestion) -> Any:
    """Put a question to the lead scoring room."""
    return model.answer(question.state, as_of=question.as_of)


def ask_conversion(model: ConversionModel, question: LeadQuestion) -> Any:
    """Put a question to the conversion room."""
    return model.answer(
        question.state,
        as_of=question.as_of,
        close_90=question.close_90,
        horizons=question.horizons_days,
    )


def ask_time(model: TimeModel, question: LeadQuestion) -> Any:
    """Put a question to the room of the time to close."""
    return model.answer(
        question.state, as_of=question.as_of, close_90=question.close_90, curve=question.curve
    )


def ask_risk(model: Any, question: LeadQuestion) -> Any:
    """Put a question to the room of risk."""
    from hki_ml.models.risk.answer import Others

    others = Others(**(question.others or {}))
    return model.answer(question.state, others, as_of=question.as_of)


def a_first_question() -> LeadQuestion:
    """Return a question about a lead of whom nothing is known: it compiles what answers compile."""
    came = datetime(2020, 1, 1, tzinfo=UTC)
    state = {**dict.fromkeys(LEAD_STATE.names), "lead_created_at_us": came.timestamp() * 1e6}
    return LeadQuestion(state, came + timedelta(days=1), close_90=0.1)


CALLS: dict[str, Callable[[Any, LeadQuestion], Any]] = {
    "lead_scoring": ask_scoring,
    "conversion": ask_conversion,
    "time_to_close": ask_time,
    "risk": ask_risk,
}
"""How each room of leads is asked, by its name."""


def describe(holder: ModelHolder[Any]) -> dict[str, Any] | None:
    """Return what serves now; ``None`` if nothing does."""
    held = holder.held
    return None if held is None else {"version": held.version, "degraded": held.is_last_good}


_questions = msgspec.json.Decoder(LeadQuestion)


def question_to_text(question: LeadQuestion) -> str:
    """Return a question as JSON, to be sent to a runner in another process."""
    return msgspec.json.encode(question).decode()


def question_from_text(text: str) -> LeadQuestion:
    """Return the question that ``question_to_text`` wrote."""
    question = _questions.decode(text)
    since = question.state.get(MADE_AT)
    moment = datetime.fromisoformat(since) if isinstance(since, str) else None
    return replace(question, state={**question.state, MADE_AT: moment})
