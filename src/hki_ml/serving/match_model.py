"""What the matching room must be able to do so that it can be served, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
import numpy as np
import structlog

from hki_ml.errors import HkiError, NotFound
from hki_ml.learning.investor_pool import STATE_NUMBERS, InvestorPool
from hki_ml.serving.holder import ModelHolder
from hki_ml.serving.investors import NOBODY, Gone, PoolHolder
from hki_ml.serving.problem import Problem, of_error, unavailable
from hki_ml.serving.replies import Reply
from hki_ml.tables import INVESTOR_STATE

log = structlog.get_logger()

NAME = "investor_matching"
MOST = 50
MOST_EARLIER = 12  # as many as a map of five investors bears
CRITERIA = {
    "price_low_usd": "from ${:,.0f}",
    "price_high_usd": "up to ${:,.0f}",
    "bedrooms_low": "at least {:g} bedrooms",
    "living_sqft_low": "at least {:,.0f} sqft",
    "year_built_low": "built {:.0f} or later",
    "deals_per_month": "{:g} deals a month",
}


@dataclass(frozen=True, slots=True)
class MatchQuestion:
    """A deal, or an investor with deals, and the moment that is asked about.

    Attributes
    ----------
    deals
        One deal, or with ``investor_id`` the deals of which the best are asked for.
    limit
        How many matches.
    why_not
        An investor about whom it is asked why they are not among them.
    gone
        Investors who opted out or were deleted since the lake's state of them was made.
    offers_per_deal
        Set, the deals are to be placed all at once, each with at most so many offers.
    """

    deals: tuple[Mapping[str, Any], ...]
    as_of: datetime
    limit: int = 5
    why_not: str | None = None
    investor_id: str | None = None
    gone: Gone = NOBODY
    offers_per_deal: int | None = None


class Matcher(Protocol):
    """A loaded version of the matching room."""

    def answer(
        self,
        deal: Mapping[str, Any],
        pool: InvestorPool,
        *,
        as_of: datetime,
        limit: int,
        why_not: str | None,
    ) -> Any:
        """Return the investors to show a deal to."""
        ...

    def answer_for_investor(
        self,
        investor_id: str,
        deals: Sequence[Mapping[str, Any]],
        pool: InvestorPool,
        *,
        as_of: datetime,
        limit: int,
    ) -> Any:
        """Return the deals that suit an investor best."""
        ...

    def plan(
        self,
        deals: Sequence[Mapping[str, Any]],
        pool: InvestorPool,
        *,
        as_of: datetime,
        a_deal: int,
    ) -> Any:
        """Return who is offered which of the deals, placed all at once."""
        ...


def answer_all(
    holder: ModelHolder[Any], pools: PoolHolder, questions: Sequence[MatchQuestion]
) -> list[Reply]:
    """Return a reply to each question, in order, all by one version over one pool."""
    held = holder.held
    if held is None:
        return [unavailable(f"no {holder.name} model is loaded yet")] * len(questions)
    if pools.pool is None:
        return [unavailable("the investors were not read yet")] * len(questions)
    level = "lastGoodModel" if held.is_last_good else "full"
    replies: list[Reply] = []
    for question in questions:
        try:
            pool = pools.without(question.gone)
            assert pool is not None  # noqa: S101 - it was read once, and is never let go
            said = ask(held.model, pool, question)
        except HkiError as error:
            replies.append(of_error(error))
        except Exception:  # a door: the caller is told nothing of it, the log everything
            log.exception("answer_failed", model=holder.name, model_version=held.version)
            replies.append(Problem("internal", "the model failed"))
        else:
            replies.append({**said, "version": held.version, "fallback_level": level})
    return replies


def ask(model: Matcher, pool: InvestorPool, question: MatchQuestion) -> dict[str, Any]:
    """Put a question to the matching room; return its answer as plain values."""
    if question.offers_per_deal is not None:
        placed = model.plan(
            question.deals, pool, as_of=question.as_of, a_deal=question.offers_per_deal
        )
        told: dict[str, Any] = msgspec.to_builtins(placed, enc_hook=_scalar)
        return told
    if question.investor_id is None:
        said = model.answer(
            question.deals[0],
            pool,
            as_of=question.as_of,
            limit=question.limit,
            why_not=question.why_not,
        )
        plain: dict[str, Any] = msgspec.to_builtins(said, enc_hook=_scalar)
        for match in plain["matches"]:
            match["earlier"] = earlier(pool, match["investor_id"], question.as_of)
        return plain
    at = pool.place.get(question.investor_id)
    if at is None or pool.opted_out[at]:
        raise NotFound("no investor of that id is known")
    found = model.answer_for_investor(
        question.investor_id, question.deals, pool, as_of=question.as_of, limit=question.limit
    )
    return {
        "deals": msgspec.to_builtins(found, enc_hook=_scalar)["matches"],
        "known": known(pool, at),
        "earlier": earlier(pool, question.investor_id, question.as_of),
    }


def earlier(pool: InvestorPool, investor_id: str, as_of: datetime) -> list[dict[str, Any]]:
    """Return where an investor answered well or bought, the latest first, for a map."""
    at = pool.place[investor_id]
    told = pool.moments
    rows = np.arange(told.start[at], told.start[at + 1])
    now = as_of.timestamp()
    seen = np.minimum(told.positive_known[rows], told.bought_known[rows]) <= now
    rows = rows[seen & ~np.isnan(told.lat[rows]) & ~np.isnan(told.lon[rows])]
    latest = rows[np.argsort(-told.shown[rows], kind="stable")][:MOST_EARLIER]
    return [
        {
            "latitude": float(told.lat[row]),
            "longitude": float(told.lon[row]),
            "price_usd": _usd(told.log_price[row]),
            "bought": bool(told.bought_known[row] <= now),
        }
        for row in latest
    ]


def known(pool: InvestorPool, at: int) -> dict[str, Any]:
    """Return what an investor says and did, as figures and as phrases."""
    figures = {name: _number(pool.numbers[name][at]) for name in STATE_NUMBERS}
    kind = str(pool.kind[at])
    return {**figures, "kind": kind or None, "criteria": _criteria(pool, at)}


def _criteria(pool: InvestorPool, at: int) -> list[str]:
    areas = [name for name, who in pool.in_area.items() if at in who]
    types = [name for name, who in pool.of_type.items() if at in who]
    said = [f"in {', '.join(areas)}"] if areas else []
    said += [", ".join(types).replace("_", " ")] if types else []
    for name, words in CRITERIA.items():
        value = _number(pool.numbers[name][at])
        if value is not None:
            said.append(words.format(value))
    return said


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _usd(log_price: float) -> float | None:
    return None if np.isnan(log_price) else round(float(np.exp(log_price)))


def _scalar(value: Any) -> Any:
    """Return a number of numpy's as one of Python's."""
    return value.tolist() if isinstance(value, np.ndarray) else value.item()


def ask_first(model: Matcher) -> None:
    """Ask about a deal of which nothing is known, with nobody to show it to: it compiles what answers do."""
    pool = InvestorPool.of(INVESTOR_STATE.empty_table())
    ask(model, pool, MatchQuestion(({},), datetime(2020, 1, 1, tzinfo=UTC)))


_questions = msgspec.json.Decoder(MatchQuestion)


def question_to_text(question: MatchQuestion) -> str:
    """Return a question as JSON, to be sent to a runner in another process."""
    return msgspec.json.encode(question).decode()


def question_from_text(text: str) -> MatchQuestion:
    """Return the question that ``question_to_text`` wrote."""
    return _questions.decode(text)
