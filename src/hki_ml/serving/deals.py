"""``POST /ml/match-investors`` and ``/ml/assess-risk``: who buys a deal, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from pydantic import Field, model_validator

from hki_ml.errors import HkiError
from hki_ml.serving import deal_facts, deal_render
from hki_ml.serving.asked import Closed, Identifier, iso, validated
from hki_ml.serving.entities import Entity
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.investors import Gone
from hki_ml.serving.lead_model import LeadQuestion
from hki_ml.serving.leads import LeadBody, LeadDesk, Spoken, asked_of, envelope
from hki_ml.serving.match_model import MOST, MatchQuestion
from hki_ml.serving.prediction_log import Said
from hki_ml.serving.problem import Problem, ProblemError
from hki_ml.serving.replies import Reply

MATCHING, RISK = "investor_matching", "risk"
GOOD_MATCH = 0.5  # as likely as not to answer with yes


class MatchBody(Closed):
    """A deal: that of a lead, or a home."""

    lead_id: Identifier | None = Field(None, description="the lead that would be the deal")
    property_id: Identifier | None = Field(None, description="a home, in place of a lead")
    price_usd: float | None = Field(None, gt=0, le=1e10, description="default: what is asked")
    limit: int = Field(5, ge=1, le=MOST, description="how many matches")
    why_not: Identifier | None = Field(None, description="an investor of whom to say why not")

    @model_validator(mode="after")
    def _is_one(self) -> MatchBody:
        if (self.lead_id is None) == (self.property_id is None):
            raise ValueError("expected exactly one of leadId and propertyId")
        return self


class Homes(Protocol):
    """Where homes are found by id."""

    async def find(self, property_id: str, now: datetime, /) -> Entity:
        """Return a home; ``ProblemError`` if nobody knows it."""
        ...


@dataclass(frozen=True, slots=True)
class DealDesk:
    """Answers questions about deals; what goes wrong is a ``ProblemError``.

    Parameters
    ----------
    desk
        Where leads are found and the rooms of leads are asked.
    homes
        Where homes are found by id.
    match, assess
        How the rooms of matching and risk are asked.
    gone
        Investors who opted out or were deleted since the lake's state of them was made.
    """

    desk: LeadDesk
    homes: Homes
    match: Callable[[MatchQuestion], Awaitable[Reply]]
    assess: Callable[[LeadQuestion], Awaitable[Reply]]
    gone: Callable[[], Gone]

    async def matched(self, request: Request) -> Response:
        """Answer ``match-investors``."""
        body = validated(MatchBody, request.body)
        now = self.desk.clock()
        deal, seen_at, is_stale = await self._deal(body, now)
        question = MatchQuestion((deal,), now, body.limit, body.why_not, gone=self.gone())
        reply = _good(await self.match(question))
        spoken = Spoken(
            {"propertyId": deal["property_id"], **deal_render.matches(reply, deal)},
            {MATCHING: reply["version"]},
            "staleFeatures" if is_stale else reply["fallback_level"],
        )
        return await self._answer(MATCHING, spoken, (body.lead_id, seen_at, now), deal, {})

    async def assessed(self, request: Request) -> Response:
        """Answer ``assess-risk``."""
        body = validated(LeadBody, request.body)
        now = self.desk.clock()
        lead = await self.desk.find(body.lead_id, now)
        question = asked_of(lead.state, lead.seen_at, now, body.lead_id)
        spoken = await self.risk(question)
        if lead.is_stale:
            spoken = replace(spoken, level="staleFeatures")
        asked = (body.lead_id, lead.seen_at, now)
        live = {"liveEvents": list(lead.live_events)}
        return await self._answer(RISK, spoken, asked, lead.state, live)

    async def risk(self, question: LeadQuestion) -> Spoken:
        """Return what ``assess-risk`` says to a question."""
        outcome = question.state["lead_outcome"]
        if outcome is not None:
            return Spoken(deal_render.ended_risk(outcome), {}, "full")
        others, versions = await self._others(question)
        reply = _good(await self.assess(replace(question, others=others)))
        return Spoken(
            deal_render.risk(reply, others),
            {RISK: reply["version"], **versions},
            reply["fallback_level"],
        )

    async def deals_of(
        self, investor_id: str, deals: Sequence[Mapping[str, Any]], limit: int
    ) -> Reply:
        """Return which of the deals suit an investor best."""
        now = self.desk.clock()
        question = MatchQuestion(
            tuple(deals), now, limit, investor_id=investor_id, gone=self.gone()
        )
        return await self.match(question)

    async def _others(self, question: LeadQuestion) -> tuple[dict[str, Any], dict[str, str]]:
        """Return what the other rooms say of the lead, as features of its risk, and by which versions.

        A room that does not answer is unknown to the risk, not an error of it.
        """
        state = question.state
        others: dict[str, Any] = {
            "close_90": None,
            "expected_days": None,
            "value_usd": state.get("property_value_estimate"),
            "value_fsd": state.get("property_value_fsd"),
            "comparables": _whole(state.get("comparable_properties_count")),
            "ask_usd": state.get("lead_asking_price_usd"),
            "buyers": None,
            "best_match": None,
        }
        versions: dict[str, str] = {}
        try:
            spoken = await self.desk.timed(question)
            scored = await self.desk.scored(question)
        except (ProblemError, HkiError):
            pass
        else:
            others["close_90"] = scored.said["predictedConversion"]
            others["expected_days"] = spoken.said["expectedDays"]
            versions |= spoken.versions
        deal = deal_facts.of_lead(state, await self.home(state.get("lead_property_id")))
        reply = await self.match(MatchQuestion((deal,), question.as_of, MOST, gone=self.gone()))
        if not isinstance(reply, Problem):
            odds = [match["probability"] for match in reply["matches"]]
            others["buyers"] = sum(each >= GOOD_MATCH for each in odds)
            others["best_match"] = max(odds, default=0.0)
            versions[MATCHING] = reply["version"]
        return others, versions

    async def _deal(
        self, body: MatchBody, now: datetime
    ) -> tuple[dict[str, Any], datetime | None, bool]:
        if body.property_id is not None:
            home = await self.homes.find(body.property_id, now)
            deal = deal_facts.of_home(body.property_id, home.facts, price_usd=body.price_usd)
            return deal, home.seen_at, home.is_stale
        assert body.lead_id is not None  # noqa: S101 - the body has exactly one
        lead = await self.desk.find(body.lead_id, now)
        deal = deal_facts.of_lead(lead.state, await self.home(lead.state.get("lead_property_id")))
        if body.price_usd is not None:
            deal["price_usd"] = body.price_usd
        return deal, lead.seen_at, lead.is_stale

    async def home(self, property_id: str | None) -> Mapping[str, Any] | None:
        """Return the facts of a lead's home, if any are known and at hand."""
        if property_id is None:
            return None
        try:
            return (await self.homes.find(property_id, self.desk.clock())).facts
        except (ProblemError, HkiError):
            return None

    async def _answer(
        self,
        room: str,
        spoken: Spoken,
        asked: tuple[str | None, datetime | None, datetime],
        known: Mapping[str, Any],
        made_from: Mapping[str, Any],
    ) -> Response:
        lead_id, seen_at, now = asked
        age = None if seen_at is None else max(0.0, (now - seen_at).total_seconds())
        prediction_id = self.desk.new_id(now)
        data = envelope(
            spoken, lead_id, now, prediction_id=prediction_id, level=spoken.level, age_seconds=age
        )
        entity = lead_id or str(known["property_id"])
        seen = {"seenAt": None if seen_at is None else iso(seen_at)}
        said = Said(entity, room, spoken.versions, now, known, data, seen | dict(made_from))
        await self.desk.log.write(prediction_id, said)
        return success(data)


def _good(reply: Reply) -> dict[str, Any]:
    if isinstance(reply, Problem):
        raise ProblemError(reply)
    return reply


def _whole(value: Any) -> int | None:
    return None if value is None or value != value else int(value)  # noqa: PLR0124 - NaN
