"""``GET /ml/investors/{id}``: what is known of an investor, and which open deals suit them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hki_ml.serving import deal_facts
from hki_ml.serving.deals import DealDesk
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.lead_board import Board, LeadBoard
from hki_ml.serving.lead_render import wired
from hki_ml.serving.problem import Problem, ProblemError

STAGES = ("offer", "contract")  # from the offer on a lead is a deal that somebody could buy
MOST_DEALS = 500
LIMIT = 20


@dataclass(frozen=True, slots=True)
class Investors:
    """Answers for one investor, the other way round than ``match-investors``.

    Parameters
    ----------
    deals
        How the matching room is asked.
    board
        Where the open deals are found.
    """

    deals: DealDesk
    board: LeadBoard

    async def one(self, _: Request, investor_id: str) -> Response:
        """Return what is known of an investor and the deals that suit them."""
        if not 1 <= len(investor_id) <= 200:
            raise ProblemError(Problem("not-found", "no investor of that id is known"))
        board = await asyncio.to_thread(self.board.board, self.deals.desk.clock())
        asked = await open_deals(self.deals, board, MOST_DEALS)
        reply = await self.deals.deals_of(investor_id, asked, LIMIT)
        if isinstance(reply, Problem):
            raise ProblemError(reply)
        of_lead = {deal["deal_id"]: deal for deal in asked}
        return success(
            {
                "investorId": investor_id,
                "modelVersion": reply["version"],
                "known": wired(reply["known"]),
                "deals": [_told(found, of_lead) for found in reply["deals"]],
                "earlier": [wired(each) for each in reply["earlier"]],
            }
        )


async def open_deals(desk: DealDesk, board: Board, most: int) -> list[dict[str, Any]]:
    """Return the deals that somebody could buy now, those of the likeliest leads first."""
    rows = board.rows[board.rows["stage"].isin(STAGES)].head(most)
    return [await _deal(desk, row) for row in rows.to_dict("records")]


async def _deal(desk: DealDesk, row: Mapping[Any, Any]) -> dict[str, Any]:
    state = {k: (None if v is None or v != v else v) for k, v in row.items()}  # noqa: PLR0124 - NaN
    home = await desk.home(state.get("lead_property_id"))
    return {**deal_facts.of_lead(state, home), "deal_id": state["lead_id"]}


def _told(found: Mapping[str, Any], of_lead: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    deal = of_lead[found["deal_id"]]
    return {
        "leadId": found["deal_id"],
        "score": found["score"],
        "probability": found["probability"],
        "priceUsd": deal["price_usd"],
        "area": deal["area"],
        "reasons": [wired(reason) for reason in found["reasons"]],
    }
