"""``POST /ml/match-portfolio``: all open deals with all investors at once, who is offered what."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, field_validator

from hki_ml.serving import deal_facts
from hki_ml.serving.asked import Closed, Identifier, iso, validated
from hki_ml.serving.deals import MATCHING, DealDesk
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.investor_pages import open_deals
from hki_ml.serving.lead_board import LeadBoard
from hki_ml.serving.lead_render import wired
from hki_ml.serving.match_model import MatchQuestion
from hki_ml.serving.prediction_log import Said
from hki_ml.serving.problem import Problem, ProblemError

MOST_DEALS = 200
NOBODY_ADMITS = "no investor's criteria and capacity admit it"
BETTER_USED = "whoever admits it is offered deals that they are likelier to answer"


class PortfolioBody(Closed):
    """Which deals are to be placed, and with how many offers each."""

    lead_ids: Annotated[list[Identifier], Field(min_length=1, max_length=MOST_DEALS)] | None = (
        Field(None, description="default: the leads with an offer or a contract, the likeliest 200")
    )
    offers_per_deal: int = Field(5, ge=1, le=20, description="at most so many offers of a deal")

    @field_validator("lead_ids")
    @classmethod
    def _are_different(cls, ids: list[str] | None) -> list[str] | None:
        if ids is not None and len(set(ids)) < len(ids):
            raise ValueError("expected each lead once")
        return ids


@dataclass(frozen=True, slots=True)
class PortfolioDesk:
    """Places deals.

    Parameters
    ----------
    deals
        How the matching room is asked, and who has gone.
    board
        Where the open deals are found.
    """

    deals: DealDesk
    board: LeadBoard

    async def planned(self, request: Request) -> Response:
        """Answer ``match-portfolio``."""
        body = validated(PortfolioBody, request.body)
        desk = self.deals.desk
        now = desk.clock()
        asked, left_out = await self._asked(body, now)
        question = MatchQuestion(
            tuple(asked), now, gone=self.deals.gone(), offers_per_deal=body.offers_per_deal
        )
        reply = await self.deals.match(question)
        if isinstance(reply, Problem):
            raise ProblemError(reply)
        placed = [
            _placed(desk.new_id(now), deal, found)
            for deal, found in zip(asked, reply["deals"], strict=True)
        ]
        versions = {MATCHING: reply["version"]}
        together = {
            "offers": sum(len(each["offers"]) for each in placed),
            "expectedPositives": reply["expected"],
            "expectedOneByOne": reply["one_by_one"],
            "modelVersion": reply["version"],
            "computedAt": iso(now),
            "degraded": reply["fallback_level"] != "full",
            "fallbackLevel": reply["fallback_level"],
        }
        # Each deal is an answer of its own: it can be looked up by its id as any other.
        await asyncio.gather(
            *(
                desk.log.write(
                    told["predictionId"],
                    Said(
                        told["leadId"], MATCHING, versions, now, deal, told, {"together": together}
                    ),
                )
                for deal, told in zip(asked, placed, strict=True)
            )
        )
        return success(
            {
                **together,
                "offersPerDeal": body.offers_per_deal,
                "deals": placed,
                "atCapacity": list(reply["at_capacity"]),
                "leftOut": left_out,
            }
        )

    async def _asked(
        self, body: PortfolioBody, now: datetime
    ) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
        """Return the deals to place, and which of the leads are none, with why."""
        if body.lead_ids is None:
            board = await asyncio.to_thread(self.board.board, now)
            return await open_deals(self.deals, board, MOST_DEALS), []
        deals, left_out = [], []
        for lead_id in body.lead_ids:
            try:
                lead = await self.deals.desk.find(lead_id, now)
            except ProblemError as error:
                if error.problem.kind != "not-found":
                    raise
                left_out.append({"leadId": lead_id, "reason": "no lead of that id is known"})
                continue
            outcome = lead.state["lead_outcome"]
            if outcome is not None:
                left_out.append({"leadId": lead_id, "reason": f"it has ended: {outcome}"})
                continue
            home = await self.deals.home(lead.state.get("lead_property_id"))
            deals.append({**deal_facts.of_lead(lead.state, home), "deal_id": lead_id})
        return deals, left_out


def _placed(
    prediction_id: str, deal: Mapping[str, Any], found: Mapping[str, Any]
) -> dict[str, Any]:
    offers: Sequence[Mapping[str, Any]] = found["offers"]
    why = None if offers else (BETTER_USED if found["admitted"] else NOBODY_ADMITS)
    return {
        "predictionId": prediction_id,
        "leadId": deal["deal_id"],
        "propertyId": deal["property_id"],
        "area": deal["area"],
        "priceUsd": deal["price_usd"],
        "admitted": found["admitted"],
        "offers": [
            {**wired(each), "reasons": [wired(reason) for reason in each["reasons"]]}
            for each in offers
        ],
        "why": why,
    }
