"""What the page of leads reads: the morning list, one lead's card, and whether scores came true."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hki_ml.serving.asked import iso
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.lead_board import LeadBoard, Scorer, listed
from hki_ml.serving.lead_history import LeadHistory
from hki_ml.serving.leads import LeadDesk
from hki_ml.serving.naming import camel
from hki_ml.serving.problem import Problem, ProblemError
from hki_ml.serving.track_record import TrackRecord


@dataclass(frozen=True, slots=True)
class Leads:
    """``GET /ml/leads``, ``/ml/leads/{id}`` and ``/ml/track-record``."""

    desk: LeadDesk
    board: LeadBoard
    history: LeadHistory
    record: TrackRecord
    scorer: Callable[..., Scorer | None]

    async def search(self, request: Request) -> Response:
        """Return open leads by score, best first."""
        board = await asyncio.to_thread(self.board.board, self.desk.clock())
        return listed(board, request)

    async def one(self, _: Request, lead_id: str) -> Response:
        """Return what is known of a lead and its score over time."""
        if not 1 <= len(lead_id) <= 200:
            raise ProblemError(Problem("not-found", "no lead of that id is known"))
        now = self.desk.clock()
        lead = await self.desk.find(lead_id, now)
        live = self.desk.leads.accepted(lead_id)
        history = await asyncio.to_thread(self.history.of, lead_id, live, now, seen_at=lead.seen_at)
        return success(
            {
                "leadId": lead_id,
                "asOf": iso(now),
                "seenAt": _iso(lead.seen_at),
                "known": {camel(name): value for name, value in lead.state.items()},
                "history": history.points,
                "answered": history.answered,
            }
        )

    async def track_record(self, _: Request) -> Response:
        """Return, by band of the score, which share of leads closed: live, and in the model's trial."""
        live = await asyncio.to_thread(self.record.bands)
        scorer: Any = self.scorer()
        note = {} if scorer is None else scorer.scorer.note
        return success(
            {
                "live": live,
                "trial": note.get("trial record"),
                "modelVersion": None if scorer is None else scorer.version,
            }
        )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
