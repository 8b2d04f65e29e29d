"""Files of leads: the states as of one moment, and what each room of leads says of a chunk of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from hki_ml.batch.scorer import SEEN, Known, Pinned, Refused, Scored
from hki_ml.errors import BadInput, HkiError, Unavailable
from hki_ml.models.lead_scoring.bulk import are_alike, score_all
from hki_ml.ports import Lake
from hki_ml.serving import lead_render
from hki_ml.serving.asked import iso
from hki_ml.serving.bulk_columns import (
    ACTIONS,
    of_answer,
    of_bulk,
    of_conversion,
    of_ended,
    of_time,
    schema_of,
)
from hki_ml.serving.entities import Entity
from hki_ml.serving.lately import recall
from hki_ml.serving.lead_model import CALLS, HORIZONS_DAYS, LeadQuestion, reply_of
from hki_ml.serving.leads import (
    CONVERSION,
    SCORING,
    STALE_AFTER_SECONDS,
    TIME,
    LeadDesk,
    asked_of,
)
from hki_ml.serving.live_leads import LiveLeads
from hki_ml.serving.naming import plain
from hki_ml.tables import LEAD_STATE

log = structlog.get_logger()

TABLE = "lead_state"
KEYS = ("lead_id", "event_timestamp", "created")
STATE = tuple(name for name in LEAD_STATE.names if name not in KEYS)
SCHEMA = pa.schema(
    [
        LEAD_STATE.field("lead_id"),
        *(LEAD_STATE.field(name) for name in STATE),
        (SEEN, LEAD_STATE.field("event_timestamp").type),
    ]
)


@dataclass(frozen=True, slots=True)
class LeadBulk:
    """How files of leads are answered by one room; ``rooms`` are those that it needs."""

    model: str
    rooms: tuple[str, ...]
    also: tuple[str, ...] = ()
    keys: tuple[str, ...] = ("lead_id", "id")
    takes_facts: bool = False

    def pin(self, lake: Lake) -> dict[str, Any]:
        """Return the versions of the tables behind the states, and when the states were made."""
        version = lake.version(TABLE)
        if version < 0:
            raise Unavailable("no state of leads was ever made: run the features first")
        until = None
        for batch in lake.batches(TABLE, columns=["event_timestamp"], until=version):
            newest = pc.max(batch.column(0)).as_py()
            until = newest if until is None or (newest and newest > until) else until
        return {
            TABLE: version, "events": lake.version("events"),
            "state_until": None if until is None else until.isoformat(),
        }  # fmt: skip

    def known(self, lake: Lake, pinned: Mapping[str, Any], as_of: datetime) -> Known:
        """Return all leads' states, and those that have moved since these were made."""
        live = LiveLeads(nobody())
        recall(lake, live)
        return Known(SCHEMA, _states(lake, pinned, SCHEMA), _newer(lake, pinned, live, as_of))

    def facts(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse: a lead is known by its id alone."""
        raise BadInput("expected the id of a lead")

    def open(
        self, folders: Mapping[str, tuple[Path, str]], also: Sequence[str], _pinned: Pinned
    ) -> LeadFileScorer:
        """Return the scorer over the loaded rooms."""
        models = {
            room: import_module(f"hki_ml.models.{room}.predict").load(folder, version)
            for room, (folder, version) in folders.items()
        }
        versions = {room: version for room, (_, version) in folders.items()}
        return LeadFileScorer(self.model, models, versions, tuple(also))


def nobody() -> Any:
    """Return what stands for the store, which is not asked."""
    return None


def _states(lake: Lake, pinned: Mapping[str, Any], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    if pinned["state_until"] is None:
        return
    kind = LEAD_STATE.field("event_timestamp").type
    until = pa.scalar(datetime.fromisoformat(pinned["state_until"]), kind)
    columns = ["lead_id", *STATE, "event_timestamp"]
    for batch in lake.batches(TABLE, columns=columns, until=pinned[TABLE]):
        newest = batch.filter(pc.equal(batch.column("event_timestamp"), until))
        if newest.num_rows:
            yield pa.RecordBatch.from_arrays(newest.columns, schema=schema)


def _newer(
    lake: Lake, pinned: Mapping[str, Any], live: LiveLeads, as_of: datetime
) -> dict[str, tuple[Mapping[str, Any], tuple[str, ...]]]:
    """Return the state now, and the events on top, of leads of which events came since."""
    changed = pa.array(list(live.changed()), pa.string())
    stored: dict[str, Entity] = {}
    if len(changed):
        for batch in _states(lake, pinned, SCHEMA):
            for row in batch.filter(pc.is_in(batch.column(0), changed)).to_pylist():
                facts = {name: plain(row[name]) for name in STATE}
                stored[row["lead_id"]] = Entity(facts, row[SEEN], as_of)
    found: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {}
    for lead_id in live.changed():
        lead = live.lead(lead_id, stored.get(lead_id))
        if lead is not None:
            found[lead_id] = (lead.state, lead.live_events)
    return found


Row = dict[str, Any]


class LeadFileScorer:
    """Says of chunks of leads what the desk says of one."""

    def __init__(
        self,
        model: str,
        models: Mapping[str, Any],
        versions: Mapping[str, str],
        also: tuple[str, ...],
    ) -> None:
        self.versions = versions
        self._model = model
        self._models = models
        self._also = also

    def score(self, chunk: pa.Table, as_of: datetime) -> Scored:
        """Return what is said of each lead; one that cannot be answered is refused by itself."""
        outcomes = chunk["lead_outcome"].to_pylist()
        open_at = [at for at, outcome in enumerate(outcomes) if outcome is None]
        said: dict[int, Row] = {}
        refused: list[Refused] = []
        for at, row in zip(open_at, self._open(chunk.take(_places(open_at)), as_of), strict=True):
            if isinstance(row, Refused):
                refused.append(Refused(at, row.reason, row.detail))
            else:
                said[at] = row | {"model_version": self.versions[self._model]}
        for at, outcome in enumerate(outcomes):
            if outcome is not None:
                said[at] = self._ended(outcome)
        kept = sorted(said)
        seen = chunk[SEEN].to_pylist()
        told = [said[at] | source_of(seen[at], as_of) for at in kept]
        return Scored(
            kept, pa.Table.from_pylist(told, schema_of(self._model, self._also)), tuple(refused)
        )

    def _open(self, rows: pa.Table, as_of: datetime) -> list[Row | Refused]:
        scores = self._scores(rows, as_of)
        if self._model == SCORING:
            return scores
        return asyncio.run(self._others(rows, scores, as_of))

    def _scores(self, rows: pa.Table, as_of: datetime) -> list[Row | Refused]:
        """Return the scores of open leads: all at once, those that do not go together one by one."""
        alike = are_alike(rows["lead_facts_json"].to_pylist())
        alike &= are_alike(rows["history_home_facts_json"].to_pylist())
        together = [] if ACTIONS in self._also else alike.nonzero()[0].tolist()
        found: dict[int, Row | Refused] = {}
        if together:
            some = rows.take(_places(together))
            frame = some.select(list(STATE)).to_pandas()
            try:
                said = score_all(
                    self._models[SCORING], frame, as_of=as_of, seen_at=some[SEEN].to_pylist()
                )
            except (HkiError, ArithmeticError, ValueError, TypeError):
                log.warning("chunk_one_by_one", rows=len(together), exc_info=True)
            else:
                found = {at: of_bulk(said, i) for i, at in enumerate(together)}
        return [found.get(at) or self._score_one(rows, at, as_of) for at in range(rows.num_rows)]

    def _score_one(self, rows: pa.Table, at: int, as_of: datetime) -> Row | Refused:
        question = question_at(rows, at, as_of)
        try:
            return of_answer(self._models[SCORING].answer(question.state, as_of=as_of))
        except Exception:  # as at the door: the caller is told nothing of it, the log everything
            log.exception("answer_failed", model=SCORING)
            return Refused(at, "not_answered", "the model failed")

    async def _others(
        self, rows: pa.Table, scores: list[Row | Refused], as_of: datetime
    ) -> list[Row | Refused]:
        """Return what the other rooms say, each held to the score, as the desk holds them."""
        told: list[Row | Refused] = []
        for at, score in enumerate(scores):
            if isinstance(score, Refused):
                told.append(score)
                continue
            try:
                told.append(score | await self._say(question_at(rows, at, as_of), score))
            except Exception:  # as at the door
                log.exception("answer_failed", model=self._model)
                told.append(Refused(at, "not_answered", "the model failed"))
        return told

    async def _say(self, question: LeadQuestion, score: Row) -> Row:
        scored = {
            "probability": score["probability"], "version": self.versions[SCORING],
            "fallback_level": "full",
        }  # fmt: skip
        asks = {
            room: asking(room, self._models[room], version)
            for room, version in self.versions.items()
            if room != SCORING
        }
        asks[SCORING] = _saying(scored)
        desk = LeadDesk(asks, nobody(), nobody(), lambda: question.as_of, str)
        if self._model == CONVERSION:
            return of_conversion((await desk.converted(question)).said)
        return of_time((await desk.timed(question)).said)

    def _ended(self, outcome: str) -> Row:
        row = of_ended(outcome)
        if self._model == CONVERSION:
            row |= of_conversion(lead_render.ended_conversion(outcome, HORIZONS_DAYS))
        if self._model == TIME:
            row |= of_time(lead_render.ended_time(outcome))
        return row


def _places(at: Sequence[int]) -> pa.Array:
    return pa.array(at, pa.int64())  # of no places Arrow would not know the kind


def asking(room: str, model: Any, version: str) -> Callable[[LeadQuestion], Awaitable[Any]]:
    """Return how a loaded room of leads is asked."""

    async def ask(question: LeadQuestion) -> Any:
        return reply_of(model, version, question, CALLS[room])

    return ask


def _saying(reply: Row) -> Callable[[LeadQuestion], Awaitable[Any]]:
    async def say(_: LeadQuestion) -> Any:
        return reply

    return say


def question_at(rows: pa.Table, at: int, as_of: datetime) -> LeadQuestion:
    """Return what is asked of a row of a chunk."""
    row = rows.slice(at, 1).to_pylist()[0]
    return asked_of({name: plain(row[name]) for name in STATE}, row[SEEN], as_of)


def source_of(seen_at: datetime | None, as_of: datetime) -> Row:
    """Return how old a row's state is, and what that makes of the answer."""
    age = None if seen_at is None else max(0.0, (as_of - seen_at).total_seconds())
    is_stale = age is not None and age > STALE_AFTER_SECONDS
    return {
        "degraded": is_stale,
        "fallback_level": "staleFeatures" if is_stale else "full",
        "feature_age_seconds": None if age is None else round(age, 3),
        "computed_at": iso(as_of),
    }
