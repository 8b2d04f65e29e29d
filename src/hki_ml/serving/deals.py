"""``POST /ml/match-investors``: who should see a deal, and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import Field, model_validator

from hki_ml.errors import HkiError
from hki_ml.serving import deal_facts, deal_render
from hki_ml.serving.asked import Closed, Identifier, iso, validated
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.leads import LeadDesk, Spoken, envelope
from hki_ml.serving.match_model import MOST, MatchQuestion
from hki_ml.serving.prediction_log import Said
from hki_ml.serving.problem import Problem, ProblemError
from hki_ml.serving.replies import Reply
from hki_ml.serving.value_property import ValueProperty

MATCHING = "investor_matching"


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


@dataclass(frozen=True, slots=True)
class DealDesk:
    """Answers questions about deals; what goes wrong is a ``ProblemError``.

    Parameters
    ----------
    desk
        Where leads are found and the rooms of leads are asked.
    homes
        Where homes are found by id.
    match
        How the room of matching is asked.
    gone
        Investors who opted out since the lake's state of them was made.
    """

    desk: LeadDesk
    homes: ValueProperty
    match: Callable[[MatchQuestion], Awaitable[Reply]]
    gone: Callable[[], tuple[str, ...]]

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
        return await self._answer(MATCHING, spoken, (body.lead_id, seen_at, now), deal)

    async def deals_of(
        self, investor_id: str, deals: Sequence[Mapping[str, Any]], limit: int
    ) -> Reply:
        """Return which of the deals suit an investor best."""
        now = self.desk.clock()
        question = MatchQuestion(
            tuple(deals), now, limit, investor_id=investor_id, gone=self.gone()
        )
        return await self.match(question)

    async def _deal(
        self, body: MatchBody, now: datetime
    ) -> tuple[dict[str, Any], datetime | None, bool]:
        if body.property_id is not None:
            home = await self.homes.find(body.property_id, now)
            deal = deal_facts.of_home(body.property_id, home.facts, price_usd=body.price_usd)
            return deal, home.seen_at, home.is_stale
        assert body.lead_id is not None  # noqa: S101 - the body has exactly one
        lead = await self.desk.find(body.lead_id, now)
        deal = deal_facts.of_lead(lead.state, await self._home(lead.state.get("lead_property_id")))
        if body.price_usd is not None:
            deal["price_usd"] = body.price_usd
        return deal, lead.seen_at, lead.is_stale

    async def _home(self, property_id: str | None) -> Mapping[str, Any] | None:
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
    ) -> Response:
        lead_id, seen_at, now = asked
        age = None if seen_at is None else max(0.0, (now - seen_at).total_seconds())
        prediction_id = self.desk.new_id(now)
        data = envelope(
            spoken, lead_id, now, prediction_id=prediction_id, level=spoken.level, age_seconds=age
        )
        entity = lead_id or str(known["property_id"])
        made_from = {"seenAt": None if seen_at is None else iso(seen_at)}
        said = Said(entity, room, spoken.versions, now, known, data, made_from)
        await self.desk.log.write(prediction_id, said)
        return success(data)


def _good(reply: Reply) -> dict[str, Any]:
    if isinstance(reply, Problem):
        raise ProblemError(reply)
    return reply
