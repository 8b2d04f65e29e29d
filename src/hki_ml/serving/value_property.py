"""``POST /api/v1/ml/value-property``: what is this home worth, how sure are we, compared with what?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hki_ml.identity import event_id
from hki_ml.models.valuation.answer import FactValue
from hki_ml.serving import asked, known_facts
from hki_ml.serving.entities import Entity
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.homes import HomeFacts
from hki_ml.serving.model import Question
from hki_ml.serving.naming import camel, fact_to_wire, to_wire
from hki_ml.serving.prediction_log import PredictionLog, Said
from hki_ml.serving.problem import Problem, ProblemError, invalid
from hki_ml.serving.replies import Reply
from hki_ml.tables import EXTRA_PREFIX

MODEL = "valuation"
UNREGISTERED = "unregistered-home"  # one that was described in the request and has no id


def utc_now() -> datetime:
    """Return the present moment; the door's one clock."""
    return datetime.now(UTC)


def new_prediction_id(now: datetime) -> str:
    """Return a new UUID version 7 for an answer given now."""
    return str(event_id(now, "prediction", secrets.token_hex(16)))


@dataclass(frozen=True, slots=True)
class ValueProperty:
    """The handler: a request with a body in, an answer out; what goes wrong is a ``ProblemError``.

    Parameters
    ----------
    ask
        Puts a question to the model, wherever it lives.
    homes
        Facts by id.
    clock, new_id
        The time, and the id of an answer given then.
    log
        Where every answer is written before it is given.
    """

    ask: Callable[[Question], Awaitable[Reply]]
    homes: HomeFacts
    clock: Callable[[], datetime]
    new_id: Callable[[datetime], str]
    log: PredictionLog

    async def __call__(self, request: Request) -> Response:
        """Answer one request.

        Raises
        ------
        ProblemError
            For everything that the caller should hear of as a problem.
        """
        now = self.clock()
        body = asked.read_body(request.body)
        as_of = asked.read_as_of(body.as_of, now)
        found = await self.find(body.property_id, now) if body.property_id is not None else None
        known = found.facts if found else asked.columns(body.facts) if body.facts else {}
        changed = asked.columns(body.overrides, only_given=True) if body.overrides else {}
        home = {**known, **changed}
        reply = await self.ask(
            Question(
                home,
                asked_at=now,
                as_of=as_of,
                choice=body.comparables.choice(),
                terms=body.investment.terms(),
            )
        )
        if isinstance(reply, Problem):
            raise ProblemError(reply)
        ignored = _ignored(body, reply["ignoredFacts"])
        level = "staleFeatures" if found and found.is_stale else reply["fallbackLevel"]
        prediction_id = self.new_id(now)
        data = {
            "predictionId": prediction_id,
            "propertyId": body.property_id,
            **reply,
            "facts": to_wire(home),
            "overriddenFacts": _overridden(known, changed),
            "ignoredFacts": ignored,
            "computedAt": asked.iso(now),
            "degraded": level != "full",
            "fallbackLevel": level,
            "featureAgeSeconds": _age(found, now),
        }
        await self.log.write(prediction_id, _said(data, home, now))
        return success(data)

    async def find(self, property_id: str, now: datetime) -> Entity:
        """Return the home of that id, from memory if it was read just now.

        Raises
        ------
        ProblemError
            404 if the store knows none.
        Unavailable
            If the store does not answer.
        """
        at_hand, home = self.homes.remembered(property_id, now)
        if not at_hand:
            home = await asyncio.to_thread(self.homes.read, property_id, now)
        if home is None:
            raise ProblemError(Problem("not-found", "no home of that id is known"))
        return home


def _said(data: Mapping[str, Any], home: Mapping[str, FactValue], now: datetime) -> Said:
    """Return what is kept of an answer: all but the comparables' own facts, which their ids lead to."""
    kept = {k: v for k, v in data.items() if k not in {"comparables", "facts"}}
    kept["comparables"] = [
        {"saleId": sale["saleId"], "adjustedPriceUsd": sale["adjustedPriceUsd"]}
        for sale in data.get("comparables") or ()
    ]
    features = {name: value for name, value in home.items() if value is not None}
    entity = data["propertyId"] or UNREGISTERED
    return Said(entity, MODEL, {MODEL: data["modelVersion"]}, now, features, kept)


def _age(found: Entity | None, now: datetime) -> float | None:
    return None if found is None else round(max(0.0, (now - found.seen_at).total_seconds()), 3)


def _ignored(body: asked.ValuePropertyBody, passed_over: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what the caller sent that the model does not look at; of the wrong kind is an error."""
    told: dict[str, str] = {}
    for place, given in (("facts", body.facts), ("overrides", body.overrides)):
        sent = asked.columns(given, only_given=True) if given else {}
        for name in sent.keys() & passed_over.keys():
            if sent[name] is None:
                continue
            reason, wire = passed_over[name], _wire_name(name)
            if reason != known_facts.UNKNOWN:
                raise invalid(f"/{place}/{wire.replace('.', '/')}", reason)
            told[wire] = reason
    return [{"fact": name, "reason": reason} for name, reason in sorted(told.items())]


def _wire_name(name: str) -> str:
    if name.startswith(EXTRA_PREFIX):
        return f"extra.{name.removeprefix(EXTRA_PREFIX)}"
    return camel(name)


def _overridden(
    known: Mapping[str, FactValue], changed: Mapping[str, FactValue]
) -> list[dict[str, Any]]:
    return [
        {
            "fact": _wire_name(name),
            "was": fact_to_wire(name, known.get(name)),
            "now": fact_to_wire(name, value),
        }
        for name, value in changed.items()
    ]
