"""A prediction made again: from the lake as it was, by the versions that made it, to the same bytes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pyarrow as pa

from hki_ml.errors import BadInput, NotFound
from hki_ml.events import PredictionMade
from hki_ml.models.risk.answer import Others
from hki_ml.pipeline.ingest import ingest
from hki_ml.pipeline.tabulate import surroundings
from hki_ml.serving import deal_render, lead_model
from hki_ml.serving.deals import RISK
from hki_ml.serving.exchange import encode
from hki_ml.serving.lead_model import HORIZONS_DAYS, LeadQuestion
from hki_ml.serving.leads import CONVERSION, SCORING, TIME, LeadDesk, Spoken, asked_of, envelope
from hki_ml.serving.naming import camel, plain
from hki_ml.serving.prediction_log import PredictionLog
from hki_ml.serving.replies import Reply
from hki_ml.tables import LEAD_STATE
from hki_ml.tables import TIME as MOMENT
from hki_ml.transforms.events import event_of
from hki_ml.transforms.lead_state import Activity, lead_state
from hki_ml.transforms.live_lead import after
from hki_ml.wiring import Backend

KEYS = ("lead_id", "event_timestamp", "created")


@dataclass(frozen=True, slots=True)
class Reproduced:
    """What was said then and what is said now, as the bytes of ``data``; and features that differ."""

    said: bytes
    says: bytes
    changed_features: tuple[str, ...]

    @property
    def is_identical(self) -> bool:
        """Whether both are the same bytes, from the same features."""
        return self.said == self.says and not self.changed_features


class Reproducer:
    """Makes predictions of leads again; models are loaded once a version.

    Parameters
    ----------
    backend
        The lake with the events and tables of then, the registry with the versions.
    now
        The present, aware: when what is still on the bus is brought into the lake.
    """

    def __init__(self, backend: Backend, *, now: datetime) -> None:
        ingest(backend.bus, backend.lake, ingested_at=now)
        self._backend = backend
        self._models: dict[tuple[str, str], Any] = {}
        self._known: dict[datetime, tuple[dict[str, int], pa.Table]] = {}

    def reproduce(self, prediction_id: str) -> Reproduced:
        """Return what was said and what the same versions say of the same moment.

        Raises
        ------
        NotFound
            If no such prediction was made, or what it was made from is gone.
        BadInput
            If it is not a prediction about a lead.
        """
        event = self._event(prediction_id)
        if not isinstance(event, PredictionMade):
            raise NotFound(f"expected a prediction, {prediction_id} is a {event.TYPE}")
        made = event.properties
        if made.model not in (SCORING, CONVERSION, TIME, RISK):
            raise BadInput(f"expected a prediction about a lead, got one of {made.model}")
        state = self._state(event.entity_id, made.made_from)
        changed = tuple(
            sorted(k for k in {*state, *made.features} if state.get(k) != made.features.get(k))
        )
        ask = self._assess if made.model == RISK else self._ask
        spoken = asyncio.run(ask(made.model, dict(made.versions), state, made))
        spoken = replace(spoken, experiments=made.made_from.get("experiments", {}))
        seen_at = _moment(made.made_from["seenAt"])
        age = None if seen_at is None else max(0.0, (made.as_of - seen_at).total_seconds())
        says = envelope(
            spoken, event.entity_id, made.as_of, prediction_id=prediction_id,
            level=made.answer["fallbackLevel"], age_seconds=age,
        )  # fmt: skip
        return Reproduced(encode(made.answer), encode(orjson.loads(encode(says))), changed)

    def _event(self, event_id: str) -> Any:
        try:
            identity = str(UUID(event_id))
        except ValueError as error:
            raise NotFound(f"expected the id of a prediction, got {event_id[:60]!r}") from error
        rows = self._backend.lake.read("events", where=("event_id", identity)).to_pylist()
        if not rows:
            raise NotFound(f"no prediction {identity} was ever made")
        return event_of(rows[0])

    def _state(self, lead_id: str, made_from: Mapping[str, Any]) -> dict[str, Any]:
        """Return the lead's state as it was then: materialized, and the events that came on top."""
        seen_at = _moment(made_from["seenAt"])
        state = None if seen_at is None else self._materialized(lead_id, seen_at)
        for event_id in made_from["liveEvents"]:
            state = after(state, self._event(event_id))
        if state is None:
            raise NotFound(f"nothing is left of what was known of {lead_id} then")
        return {name: plain(value) for name, value in state.items() if plain(value) is not None}

    def _materialized(self, lead_id: str, until: datetime) -> dict[str, Any] | None:
        lake = self._backend.lake
        versions, known = self._run(until)
        moments = pa.table({"lead_id": [lead_id], "event_timestamp": pa.array([until], MOMENT)})
        events = lake.read("events", where=("entity_id", lead_id), version=versions["events"])
        activity = Activity.of(events.to_batches(), known["lead_id"].combine_chunks())
        rows = lead_state(moments, known, activity, surroundings(lake, versions)).to_pylist()
        if not rows:
            return None
        return {name: rows[0][name] for name in LEAD_STATE.names if name not in KEYS}

    def _run(self, until: datetime) -> tuple[dict[str, int], pa.Table]:
        if until not in self._known:
            rows = self._backend.lake.read("state_runs").sort_by("version").to_pylist()
            versions = {row["table"]: row["version"] for row in rows if row["until"] == until}
            if not versions:
                raise NotFound(f"expected the run that made features until {until}, got none")
            known = self._backend.lake.read("leads", version=versions["leads"])
            self._known = {until: (versions, known)}
        return self._known[until]

    async def _ask(
        self, model: str, versions: dict[str, str], state: dict[str, Any], made: Any
    ) -> Spoken:
        names = {name: state.get(name) for name in LEAD_STATE.names if name not in KEYS}
        asks: dict[str, Callable[[LeadQuestion], Awaitable[Reply]]] = {
            room: self._asking(room, version) for room, version in versions.items()
        }
        nobody: Any = None
        desk = LeadDesk(asks, nobody, PredictionLog(len), lambda: made.as_of, str)
        question = asked_of(names, _moment(made.made_from["seenAt"]), made.as_of)
        horizons = tuple(made.made_from.get("horizonsDays") or HORIZONS_DAYS)
        say = {SCORING: desk.scored, CONVERSION: desk.converted, TIME: desk.timed}[model]
        return await say(replace(question, horizons_days=horizons))

    async def _assess(
        self, model: str, versions: dict[str, str], state: dict[str, Any], made: Any
    ) -> Spoken:
        """Return the risk, made of what the other rooms said then: their answers are its features."""
        names = {name: state.get(name) for name in LEAD_STATE.names if name not in KEYS}
        if names["lead_outcome"] is not None:
            return Spoken(deal_render.ended_risk(names["lead_outcome"]), {}, "full")
        said = made.answer["madeOf"]
        others = {each.name: said[camel(each.name)] for each in fields(Others)}
        question = asked_of(names, _moment(made.made_from["seenAt"]), made.as_of)
        reply: Any = await self._asking(model, versions[model])(replace(question, others=others))
        return Spoken(deal_render.risk(reply, others), versions, reply["fallback_level"])

    def _asking(self, room: str, version: str) -> Callable[[LeadQuestion], Awaitable[Reply]]:
        model = self._model(room, version)

        async def ask(question: LeadQuestion) -> Reply:
            return lead_model.reply_of(model, version, question, lead_model.CALLS[room])

        return ask

    def _model(self, room: str, version: str) -> Any:
        key = (room, version)
        if key not in self._models:
            registry = self._backend.registry
            found = [each for each in registry.versions(room) if each.version == version]
            if not found:
                raise NotFound(f"expected version {version} of {room}, the registry has none")
            with tempfile.TemporaryDirectory() as made:
                folder = registry.download(found[0], Path(made) / room)
                module = import_module(f"hki_ml.models.{room}.predict")
                self._models[key] = module.load(folder, version)
        return self._models[key]


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
