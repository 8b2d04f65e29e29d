"""``POST /api/v1/ml/score-lead``, ``predict-conversion`` and ``predict-time-to-close``: one lead, one moment.

The three rooms agree because the lead score's probability is handed to the other two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from hki_ml.errors import Unavailable
from hki_ml.ledger import CHALLENGER_ARM, CHAMPION_ARM
from hki_ml.serving import lead_render
from hki_ml.serving.asked import Closed, Identifier, iso, validated
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.lead_model import HORIZONS_DAYS, MADE_AT, LeadQuestion
from hki_ml.serving.live_leads import Lead, LiveLeads
from hki_ml.serving.prediction_log import PredictionLog, Said
from hki_ml.serving.problem import Problem, ProblemError
from hki_ml.serving.replies import Reply

SCORING, CONVERSION, TIME = "lead_scoring", "conversion", "time_to_close"
STALE_AFTER_SECONDS = 2 * 86_400  # features are made daily; two missed days are told

Ask = Callable[[LeadQuestion], Awaitable[Reply]]
Horizon = Annotated[int, Field(ge=1, le=365)]


class LeadBody(Closed):
    """A lead, by its id."""

    lead_id: Identifier = Field(description="a lead that was created by an event")


class ConversionBody(LeadBody):
    """A lead, and the horizons asked about."""

    horizons_days: list[Horizon] = Field(
        list(HORIZONS_DAYS), min_length=1, max_length=20, description="days from now, 1 to 365"
    )


@dataclass(frozen=True, slots=True)
class LeadDesk:
    """Answers questions about one lead; what goes wrong is a ``ProblemError``.

    Parameters
    ----------
    asks
        How each room is asked, by its name.
    leads
        Leads as of now.
    log
        Where every answer is written before it is given.
    clock, new_id
        The time, and the id of an answer given then.
    """

    asks: Mapping[str, Ask]
    leads: LiveLeads
    log: PredictionLog
    clock: Callable[[], datetime]
    new_id: Callable[[datetime], str]

    async def score(self, request: Request) -> Response:
        """Answer ``score-lead``."""
        body = validated(LeadBody, request.body)
        return await self._respond(SCORING, body.lead_id, self.scored)

    async def convert(self, request: Request) -> Response:
        """Answer ``predict-conversion``."""
        body = validated(ConversionBody, request.body)
        horizons = tuple(sorted(set(body.horizons_days)))

        async def converted(question: LeadQuestion) -> Spoken:
            return await self.converted(replace(question, horizons_days=horizons))

        return await self._respond(CONVERSION, body.lead_id, converted)

    async def time(self, request: Request) -> Response:
        """Answer ``predict-time-to-close``."""
        body = validated(LeadBody, request.body)
        return await self._respond(TIME, body.lead_id, self.timed)

    async def scored(self, question: LeadQuestion) -> Spoken:
        """Return what ``score-lead`` says to a question."""
        if question.state["lead_outcome"] is not None:
            return Spoken(lead_render.ended(question.state["lead_outcome"]), {}, "full")
        score, odds, time = await self._agreeing(question)
        versions = _versions(score=score, conversion=odds, time=time)
        return Spoken(
            lead_render.score(score, time), versions, _level(score), _experiments(score, odds, time)
        )

    async def converted(self, question: LeadQuestion) -> Spoken:
        """Return what ``predict-conversion`` says to a question."""
        if question.state["lead_outcome"] is not None:
            said = lead_render.ended_conversion(
                question.state["lead_outcome"], question.horizons_days
            )
            return Spoken(said, {}, "full")
        score = await self._ask(SCORING, question)
        odds = await self._ask(CONVERSION, replace(question, close_90=score["probability"]))
        return Spoken(
            lead_render.conversion(odds),
            _versions(conversion=odds, score=score),
            _level(odds),
            _experiments(odds, score),
        )

    async def timed(self, question: LeadQuestion) -> Spoken:
        """Return what ``predict-time-to-close`` says to a question."""
        if question.state["lead_outcome"] is not None:
            return Spoken(lead_render.ended_time(question.state["lead_outcome"]), {}, "full")
        score, odds, time = await self._agreeing(question)
        versions = _versions(time=time, score=score, conversion=odds)
        return Spoken(
            lead_render.time(time), versions, _level(time), _experiments(time, score, odds)
        )

    async def find(self, lead_id: str, now: datetime) -> Lead:
        """Return the lead as of now.

        Raises
        ------
        ProblemError
            404 if nobody ever created it.
        Unavailable
            If the store does not answer and the lead was neither read nor created here lately.
        """
        at_hand, stored = self.leads.stored.remembered(lead_id, now)
        if not at_hand:
            try:
                stored = await asyncio.to_thread(self.leads.stored.read, lead_id, now)
            except Unavailable:
                # What was accepted here is all that is at hand, and may be all there is of the lead.
                lead = self.leads.lead(lead_id, None)
                if lead is None:
                    raise
                return replace(lead, is_stale=True)
        lead = self.leads.lead(lead_id, stored)
        if lead is None:
            raise ProblemError(Problem("not-found", "no lead of that id is known"))
        return lead

    async def _agreeing(
        self, question: LeadQuestion
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Return what the three rooms say, each held to what was said before it."""
        score = await self._ask(SCORING, question)
        anchored = replace(question, close_90=score["probability"])
        odds = await self._ask(CONVERSION, anchored)
        curve = tuple((days, p) for days, p in odds["horizons"])
        return score, odds, await self._ask(TIME, replace(anchored, curve=curve))

    async def _ask(self, room: str, question: LeadQuestion) -> dict[str, Any]:
        reply = await self.asks[room](question)
        if isinstance(reply, Problem):
            raise ProblemError(reply)
        return reply

    async def _respond(
        self, room: str, lead_id: str, say: Callable[[LeadQuestion], Awaitable[Spoken]]
    ) -> Response:
        now = self.clock()
        lead = await self.find(lead_id, now)
        question = asked_of(lead.state, lead.seen_at, now, lead_id)
        spoken = await say(question)
        age = None if lead.seen_at is None else max(0.0, (now - lead.seen_at).total_seconds())
        is_stale = lead.is_stale or (age is not None and age > STALE_AFTER_SECONDS)
        level = "staleFeatures" if is_stale else spoken.level
        prediction_id = self.new_id(now)
        data = envelope(
            spoken, lead_id, now, prediction_id=prediction_id, level=level, age_seconds=age
        )
        said = Said(
            lead_id, room, spoken.versions, now, lead.state, data,
            {
                "seenAt": None if lead.seen_at is None else iso(lead.seen_at),
                "liveEvents": list(lead.live_events),
                "horizonsDays": [days for days, _ in _horizons(spoken)],
                **({"experiments": dict(spoken.experiments)} if spoken.experiments else {}),
            },
        )  # fmt: skip
        await self.log.write(prediction_id, said)
        return success(data)


def asked_of(
    state: Mapping[str, Any],
    seen_at: datetime | None,
    as_of: datetime,
    lead_id: str | None = None,
) -> LeadQuestion:
    """Return the question about a state that was made at ``seen_at``."""
    return LeadQuestion({**state, MADE_AT: seen_at}, as_of, entity=lead_id)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the rooms said to a question: the answer's own part, by which versions, how well off."""

    said: Mapping[str, Any]
    versions: Mapping[str, str]
    level: str
    experiments: Mapping[str, Any] = field(default_factory=dict)


def envelope(
    spoken: Spoken,
    lead_id: str | None,
    now: datetime,
    *,
    prediction_id: str,
    level: str,
    age_seconds: float | None,
) -> dict[str, Any]:
    """Return the whole answer: what was said, of whom, by which version, from how old features."""
    return {
        "predictionId": prediction_id,
        "leadId": lead_id,
        **spoken.said,
        "modelVersion": next(iter(spoken.versions.values()), None),
        "modelVersions": dict(spoken.versions),
        "computedAt": iso(now),
        "degraded": level != "full",
        "fallbackLevel": level,
        "featureAgeSeconds": None if age_seconds is None else round(age_seconds, 3),
        "experiment": _arm(spoken.experiments),
    }


_ROOM_OF = {"score": SCORING, "conversion": CONVERSION, "time": TIME}


def _versions(**replies: Mapping[str, Any]) -> dict[str, str]:
    return {_ROOM_OF[name]: reply["version"] for name, reply in replies.items()}


def _experiments(*replies: Mapping[str, Any]) -> dict[str, Any]:
    """Return which experiments the answer was part of, by name, and in which arm."""
    told = [reply["experiment"] for reply in replies if "experiment" in reply]
    return {each["name"]: {k: v for k, v in each.items() if k != "name"} for each in told}


def _arm(experiments: Mapping[str, Any]) -> str:
    """Return ``challenger`` if any room's challenger had a part in the answer."""
    tried = any(each["arm"] == CHALLENGER_ARM for each in experiments.values())
    return CHALLENGER_ARM if tried else CHAMPION_ARM


def _level(reply: Mapping[str, Any]) -> str:
    level: str = reply["fallback_level"]
    return level


def _horizons(spoken: Spoken) -> list[tuple[int, float]]:
    return [(each["days"], each["probability"]) for each in spoken.said.get("horizons", ())]
