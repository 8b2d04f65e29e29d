"""A lead's score over time, each change split exactly into what happened and what the clock did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hki_ml.events import AnyEvent
from hki_ml.learning.lead_clock import KINDS
from hki_ml.ports import Lake
from hki_ml.serving.asked import iso
from hki_ml.serving.lead_board import BASE_ODDS, Scorer
from hki_ml.tables import LEAD_STATE, LIENS, MARKET_TREND, PROPERTY_FACTS, PROPERTY_VALUE, TIME
from hki_ml.transforms.lead_state import Activity, Surroundings, lead_state
from hki_ml.transforms.live_lead import ENDS, after, in_order

TOLD = ("lead.created", *KINDS, *ENDS)
MOST_POINTS = 80  # the latest; a page shows no more
SCORE_LEAD = "lead_scoring"


@dataclass(frozen=True, slots=True)
class History:
    """What happened to a lead, and its score after each event and now.

    Attributes
    ----------
    points
        Each with ``at``, ``events``, ``score`` (points, not clipped) and its change since the one before:
        ``timeDecay`` plus ``features`` is the difference, but for the last bits of a float. One after the
        last event tells what the latest materialization brought of the lead's source, home and market.
    answered
        What earlier answers said, by which version, and what the present version says of that moment:
        the difference is the change of the model.
    """

    points: list[dict[str, Any]]
    answered: list[dict[str, Any]]


class LeadHistory:
    """Makes histories from the lake's events, as each state was known at its moment."""

    def __init__(self, lake: Callable[[], Lake], scorer: Callable[..., Scorer | None]) -> None:
        self._lake = lake
        self._scorer = scorer
        self._leads: tuple[int, pa.Table] | None = None
        self._lock = threading.Lock()

    def of(
        self,
        lead_id: str,
        live: Sequence[AnyEvent],
        now: datetime,
        *,
        seen_at: datetime | None = None,
    ) -> History:
        """Return the history of a lead up to now, with events that the lake does not have yet.

        ``seen_at`` is when the state was made that answers are given from; ``None`` if there is none.
        """
        scorer, lake = self._scorer(lead_id), self._lake()
        if scorer is None:
            return History([], [])
        rows = lake.read("events", where=("entity_id", lead_id))
        happened = [row for row in rows.to_pylist() if row["event_type"] in TOLD]
        if not pc.is_in(pa.scalar(lead_id), self._table(lake)["lead_id"]).as_py():
            happened = []  # not in the table of leads yet: what was accepted here tells its history
        stored = {row["event_id"] for row in happened}
        fresh = [event for event in live if str(event.event_id) not in stored]
        moments = sorted({row["received_at"] for row in happened})[-MOST_POINTS:]
        is_over = any(row["event_type"] in ENDS for row in happened)
        if moments and seen_at is not None and seen_at > moments[-1] and not is_over:
            moments.append(seen_at)
        states = self._states(lake, lead_id, rows, moments)
        names = [(row["received_at"], row["event_type"]) for row in happened]
        steps = [
            (moment, [name for at, name in names if at == moment], state)
            for moment, state in zip(moments, states, strict=True)
        ]
        for event in in_order(fresh):
            last = after(steps[-1][2] if steps else None, event)
            if last is not None:
                steps.append((event.received_at, [event.TYPE], last))
        return History(_points(steps, scorer, now), _answered(rows, scorer))

    def _states(
        self, lake: Lake, lead_id: str, events: pa.Table, moments: Sequence[datetime]
    ) -> list[dict[str, Any]]:
        known = self._table(lake)
        asked = pa.table({
            "lead_id": pa.array([lead_id] * len(moments), pa.string()),
            "event_timestamp": pa.array(moments, TIME),
        })  # fmt: skip
        activity = Activity.of(events.to_batches(), known["lead_id"].combine_chunks())
        around = _around(lake, known, lead_id)
        found = {
            row["event_timestamp"]: row
            for row in lead_state(asked, known, activity, around).to_pylist()
        }
        unknown = dict.fromkeys(LEAD_STATE.names)
        return [found.get(moment, unknown) for moment in moments]

    def _table(self, lake: Lake) -> pa.Table:
        with self._lock:
            version = lake.version("leads")
            if self._leads is None or self._leads[0] != version:
                self._leads = (version, lake.read("leads"))
            return self._leads[1]


def _around(lake: Lake, known: pa.Table, lead_id: str) -> Surroundings:
    mine = known.filter(pc.equal(known["lead_id"], lead_id))
    home = mine["property_id"][0].as_py() if mine.num_rows else None
    if home is None:
        return Surroundings()
    facts = lake.read("property_facts", where=("property_id", home))
    areas = [area for area in facts["area"].to_pylist() if area is not None]
    return Surroundings(
        facts.cast(PROPERTY_FACTS),
        lake.read("property_value", where=("property_id", home)).cast(PROPERTY_VALUE),
        lake.read("market_trend", where=("area", areas[-1]))
        if areas
        else MARKET_TREND.empty_table(),
        lake.read("liens", where=("property_id", home)).cast(LIENS),
    )


def _points(
    steps: Sequence[tuple[datetime, list[str], dict[str, Any]]], scorer: Scorer, now: datetime
) -> list[dict[str, Any]]:
    steps = [step for step in steps if step[2].get("lead_created_at_us") is not None]
    if not steps:
        return []
    is_over = any(name in ENDS for _, names, _ in steps for name in names)
    if not is_over:
        steps = [*steps, (now, [], steps[-1][2])]
    before = [(state, moment) for (_, _, state), (moment, _, _) in pairwise(steps)]
    reached_by = [(state, moment) for moment, _, state in steps]
    scores = _scores([*before, *reached_by], scorer)
    decayed, reached = scores[: len(before)], scores[len(before) :]
    # Each change is the clock's part, with the state as it was, and then what happened.
    decay = [None, *(decayed - reached[:-1])]
    features = [None, *(reached[1:] - decayed)]
    return [
        {"at": iso(at), "events": names, "score": score, "timeDecay": d, "features": f}
        for (at, names, _), score, d, f in zip(steps, reached, decay, features, strict=True)
    ]


def _scores(states: Sequence[tuple[dict[str, Any], datetime]], scorer: Scorer) -> Any:
    frame = pd.DataFrame([{**state, "event_timestamp": pd.Timestamp(at)} for state, at in states])
    margin = np.asarray(scorer.margin_of(frame), np.float64)
    return 50 + 10 * (margin - np.log(BASE_ODDS)) / np.log(2)


def _answered(rows: pa.Table, scorer: Scorer) -> list[dict[str, Any]]:
    """Return earlier answers of other versions, each beside what the present version says of the same."""
    made = [
        (row["occurred_at"], orjson.loads(row["properties_json"]))
        for row in rows.to_pylist()
        if row["event_type"] == "prediction.made"
    ]
    earlier = [
        (at, said) for at, said in made
        if said["model"] == SCORE_LEAD and said["versions"].get(SCORE_LEAD, scorer.version) != scorer.version
    ][-MOST_POINTS:]  # fmt: skip
    if not earlier:
        return []
    blank = dict.fromkeys(LEAD_STATE.names)
    says = np.clip(
        _scores([({**blank, **said["features"]}, at) for at, said in earlier], scorer), 0, 100
    )
    return [
        {
            "at": iso(at),
            "version": said["versions"][SCORE_LEAD],
            "score": said["answer"]["score"],
            "modelVersion": float(now_says - said["answer"]["score"]),
        }
        for (at, said), now_says in zip(earlier, says, strict=True)
    ]
