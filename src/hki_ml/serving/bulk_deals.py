"""Files of leads as deals: who should see each, or what can go wrong with it, as the service says of one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from hki_ml.batch.scorer import SEEN, Known, Pinned, Refused, Scored
from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.ports import Lake, OnlineRow
from hki_ml.serving import deal_facts, deal_render
from hki_ml.serving.bulk_homes import STATE as HOME_STATE
from hki_ml.serving.bulk_homes import TABLE as HOMES
from hki_ml.serving.bulk_homes import newest
from hki_ml.serving.bulk_leads import LeadBulk, asking, nobody, question_at, source_of
from hki_ml.serving.deals import MATCHING, RISK, DealDesk
from hki_ml.serving.entities import Entity
from hki_ml.serving.homes import facts_of
from hki_ml.serving.investors import NOBODY, Departures, Gone, latest
from hki_ml.serving.investors import TABLE as INVESTORS
from hki_ml.serving.lead_model import CALLS, LeadQuestion, reply_of
from hki_ml.serving.leads import CONVERSION, SCORING, TIME, LeadDesk
from hki_ml.serving.match_model import MatchQuestion, ask
from hki_ml.serving.problem import Problem, ProblemError
from hki_ml.tables import INVESTOR_STATE
from hki_ml.transforms.deals import INVESTOR_KINDS
from hki_ml.transforms.events import event_of

log = structlog.get_logger()

MATCHES, REASONS = 5, 3
SUB_SCORES = (
    "title", "legal", "price", "liquidity", "condition", "data", "concentration", "fall_through",
)  # fmt: skip
_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int64()
_SOURCE = [
    ("model_version", _TEXT), ("degraded", pa.bool_()), ("fallback_level", _TEXT),
    ("feature_age_seconds", _NUMBER), ("computed_at", _TEXT),
]  # fmt: skip
COLUMNS: dict[str, pa.Schema] = {
    MATCHING: pa.schema(
        [
            ("status", _TEXT), ("property_id", _TEXT), ("asked", _WHOLE), ("admitted", _WHOLE),
            *(
                field for n in range(1, MATCHES + 1)
                for field in (
                    (f"match_{n}", _TEXT), (f"match_{n}_score", _NUMBER),
                    (f"match_{n}_probability", _NUMBER),
                    *(
                        (f"match_{n}_{what}_{r}", kind) for r in range(1, REASONS + 1)
                        for what, kind in (("reason", _TEXT), ("log_odds", _NUMBER))
                    ),
                )
            ),
            ("alternatives", _TEXT), *_SOURCE,
        ]
    ),
    RISK: pa.schema(
        [
            ("status", _TEXT), ("band", _TEXT), ("fall_through_probability", _NUMBER),
            ("expected_loss_usd", _WHOLE), ("tail_loss_usd", _WHOLE),
            *(
                field for name in SUB_SCORES
                for field in ((f"{name}_risk", _NUMBER), (f"{name}_reasons", _TEXT))
            ),
            *_SOURCE,
        ]
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DealBulk:
    """How files of leads are answered by the rooms that look at them as deals."""

    model: str
    rooms: tuple[str, ...]
    also: tuple[str, ...] = ()
    keys: tuple[str, ...] = ("lead_id", "id")
    takes_facts: bool = False

    def _leads(self) -> LeadBulk:
        return LeadBulk(self.model, self.rooms)

    def pin(self, lake: Lake) -> dict[str, Any]:
        """Return the versions of the tables of leads, homes and investors."""
        others = {table: lake.version(table) for table in (HOMES, INVESTORS)}
        return self._leads().pin(lake) | others

    def known(self, lake: Lake, pinned: Mapping[str, Any], as_of: datetime) -> Known:
        """Return all leads' states, and those that have moved since these were made."""
        return self._leads().known(lake, pinned, as_of)

    def facts(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Refuse: a lead is known by its id alone."""
        return self._leads().facts(row)

    def open(
        self, folders: Mapping[str, tuple[Path, str]], _: Sequence[str], pinned: Pinned
    ) -> DealFileScorer:
        """Return the scorer over the loaded rooms and everybody who could be shown a deal."""
        models = {
            room: import_module(f"hki_ml.models.{room}.predict").load(folder, version)
            for room, (folder, version) in folders.items()
        }
        versions = {room: version for room, (_, version) in folders.items()}
        return DealFileScorer(self.model, models, versions, pinned)


class _Homes:
    """The homes of a chunk, found as the service finds them."""

    def __init__(self, pinned: Pinned) -> None:
        self._pinned = pinned
        self._known: dict[str, Any] = {}

    def read(self, ids: set[str]) -> None:
        """Read the homes of a chunk from the pinned version of their table."""
        wanted = pa.array(sorted(ids), pa.string())
        self._known = {}
        for batch in newest(self._pinned.lake, self._pinned.versions[HOMES], self._pinned.as_of):
            for row in batch.filter(pc.is_in(batch.column(0), wanted)).to_pylist():
                values = {name: row[name] for name in HOME_STATE}
                self._known[row["property_id"]] = facts_of(OnlineRow(values, (), row[SEEN]))

    def facts(self, property_id: str | None) -> Mapping[str, Any] | None:
        """Return a home's facts, ``None`` if nobody knows it."""
        return None if property_id is None else self._known.get(property_id)

    async def find(self, property_id: str, now: datetime) -> Entity:
        """Return a home as the service's desk asks for it."""
        facts = self.facts(property_id)
        if facts is None:
            raise ProblemError(Problem("not-found", "no home of that id is known"))
        return Entity(facts, now, now)


class DealFileScorer:
    """Says of chunks of leads what the desk of deals says of one."""

    def __init__(
        self, model: str, models: Mapping[str, Any], versions: Mapping[str, str], pinned: Pinned
    ) -> None:
        self.versions = versions
        self._model = model
        self._models = models
        self._homes = _Homes(pinned)
        self._pool, self._gone = _investors(pinned)

    def score(self, chunk: pa.Table, as_of: datetime) -> Scored:
        """Return what is said of each deal; one that cannot be answered is refused by itself."""
        self._homes.read({each for each in chunk["lead_property_id"].to_pylist() if each})
        say = self._match if self._model == MATCHING else self._risk
        kept: list[int] = []
        told: list[dict[str, Any]] = []
        refused: list[Refused] = []
        for at in range(chunk.num_rows):
            question = question_at(chunk, at, as_of)
            try:
                row = say(question)
            except (
                Exception
            ):  # as at the door: the caller is told nothing of it, the log everything
                log.exception("answer_failed", model=self._model)
                refused.append(Refused(at, "not_answered", "the model failed"))
                continue
            kept.append(at)
            told.append(
                row
                | {"model_version": self.versions[self._model]}
                | source_of(chunk[SEEN][at].as_py(), as_of)
            )
        return Scored(kept, pa.Table.from_pylist(told, COLUMNS[self._model]), tuple(refused))

    def _deal(self, question: LeadQuestion) -> dict[str, Any]:
        home = self._homes.facts(question.state.get("lead_property_id"))
        return deal_facts.of_lead(question.state, home)

    def _match(self, question: LeadQuestion) -> dict[str, Any]:
        deal = self._deal(question)
        asked = MatchQuestion((deal,), question.as_of, MATCHES, gone=self._gone)
        said = deal_render.matches(ask(self._models[MATCHING], self._pool, asked), deal)
        row: dict[str, Any] = {
            "status": "scored", "property_id": deal["property_id"],
            "asked": said["asked"], "admitted": said["admitted"],
            "alternatives": " ".join(each["investorId"] for each in said["alternatives"]) or None,
        }  # fmt: skip
        for n, match in enumerate(said["matches"], 1):
            row[f"match_{n}"] = match["investorId"]
            row[f"match_{n}_score"] = match["score"]
            row[f"match_{n}_probability"] = match["probability"]
            for r, reason in enumerate(match["reasons"][:REASONS], 1):
                row[f"match_{n}_reason_{r}"] = reason["text"]
                row[f"match_{n}_log_odds_{r}"] = reason["logOdds"]
        return row

    def _risk(self, question: LeadQuestion) -> dict[str, Any]:
        said = asyncio.run(self._desk(question).risk(question)).said
        row: dict[str, Any] = {
            "status": "scored" if question.state["lead_outcome"] is None else "ended",
            "band": said["band"],
            "fall_through_probability": said["fallThroughProbability"],
            "expected_loss_usd": said["expectedLossUsd"],
            "tail_loss_usd": said["tailLossUsd"],
        }
        for each in said["subScores"]:
            row[f"{each['name']}_risk"] = each["score"]
            row[f"{each['name']}_reasons"] = "; ".join(each["reasons"]) or None
        return row

    def _desk(self, question: LeadQuestion) -> DealDesk:
        async def match(asked: MatchQuestion) -> Any:
            said = ask(self._models[MATCHING], self._pool, asked)
            return {**said, "version": self.versions[MATCHING], "fallback_level": "full"}

        async def assess(asked: LeadQuestion) -> Any:
            return reply_of(self._models[RISK], self.versions[RISK], asked, CALLS[RISK])

        asks = {
            room: asking(room, self._models[room], self.versions[room])
            for room in (SCORING, CONVERSION, TIME)
        }
        desk = LeadDesk(asks, nobody(), nobody(), lambda: question.as_of, str)
        return DealDesk(desk, self._homes, match, assess, lambda: self._gone)


def _investors(pinned: Pinned) -> tuple[InvestorPool, Gone]:
    """Return everybody who could be shown a deal, and who has gone since that was made."""
    lake, versions = pinned.lake, pinned.versions
    if versions[INVESTORS] < 0:
        return InvestorPool.of(INVESTOR_STATE.empty_table()), NOBODY
    rows = latest(lake, versions[INVESTORS])
    departures = Departures()
    if rows.num_rows:
        made = pc.max(rows["event_timestamp"])
        parts = [
            lake.read("events", version=versions["events"], where=("event_type", kind))
            for kind in INVESTOR_KINDS
        ]
        said = pa.concat_tables(
            part.filter(pc.greater(part["received_at"], made)) for part in parts
        )
        for row in said.sort_by("received_at").to_pylist():
            departures.take(event_of(row))
    return InvestorPool.of(rows), departures.gone()
