"""The morning list: every open lead by its score, made anew when leads or the model have moved."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qs

import numpy as np
import pandas as pd

from hki_ml.errors import Unavailable
from hki_ml.learning.lead_clock import CLOCK_FEATURES, STAGES, Moments, at_moment
from hki_ml.ports import Lake
from hki_ml.serving.asked import iso
from hki_ml.serving.entities import Entity
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.live_leads import LiveLeads
from hki_ml.serving.naming import plain
from hki_ml.serving.problem import invalid

TABLE = "lead_state"
KEYS = ("lead_id", "event_timestamp", "created")
FRESH_SECONDS = 60.0  # recency moves the scores by the day, not by the minute
REST = 4.0  # after events the list is made anew, but for at most a fifth of the time
BASE_ODDS = 1 / 9  # the odds of 50 points, as the lead scoring room has them
FILTERS = ("query", "source", "stage", "area", "minScore", "maxScore", "limit", "offset")


BOUNDS = {
    "minScore": (0, 100, 0),
    "maxScore": (0, 100, 100),
    "limit": (1, 500, 50),
    "offset": (0, 10**9, 0),
}
"""Number asked for → lowest, highest, default."""
SEARCHED = ("lead_id", "lead_property_id", "lead_area")


class Scorer(Protocol):
    """What scores many leads at once."""

    version: str

    def margin_of(self, states: pd.DataFrame) -> Any:
        """Return the calibrated log-odds of leads at their ``event_timestamp``."""
        ...


@dataclass(frozen=True, slots=True)
class Board:
    """All open leads, best first, as scored by a version at a moment."""

    rows: pd.DataFrame
    version: str
    scored_at: datetime


class LeadBoard:
    """Scores all open leads of the lake at once; callers share a board until leads have moved.

    Parameters
    ----------
    live
        What happened to leads since the lake's state of them was made.
    scorer
        The model that serves, ``None`` while there is none.
    """

    def __init__(
        self, lake: Callable[[], Lake], live: LiveLeads, scorer: Callable[..., Scorer | None]
    ) -> None:
        self._lake = lake
        self._live = live
        self._scorer = scorer
        self._board: Board | None = None
        self._table = -1
        self._heard = 0
        self._rests_until = 0.0
        self._lock = threading.Lock()

    def board(self, now: datetime) -> Board:
        """Return the present board.

        Raises
        ------
        Unavailable
            If no model serves or the lake does not answer.
        """
        if not self._lock.acquire(blocking=self._board is None):
            assert self._board is not None  # noqa: S101 - else it would have waited
            return self._board  # another makes the next one; nobody waits for it
        try:
            scorer = self._scorer()
            if scorer is None:
                raise Unavailable("no lead_scoring model is loaded yet")
            version = self._lake().version(TABLE)
            known = self._board
            heard, began = self._live.heard, time.monotonic()
            if (
                known is None
                or known.version != scorer.version
                or version != self._table
                or abs((now - known.scored_at).total_seconds()) > FRESH_SECONDS
                or (heard != self._heard and began > self._rests_until)
            ):
                made = _scored(self._lake(), self._live, scorer, now)
                self._board, self._table, self._heard = made, version, heard
                ended = time.monotonic()
                self._rests_until = ended + REST * (ended - began)
            assert self._board is not None  # noqa: S101 - it was just made
            return self._board
        finally:
            self._lock.release()


def _scored(lake: Lake, live: LiveLeads, scorer: Scorer, now: datetime) -> Board:
    states: pd.DataFrame = lake.read(TABLE).to_pandas()
    states = states[states["event_timestamp"] == states["event_timestamp"].max()]
    states = _up_to_now(states, live, now)
    states = states[states["lead_outcome"].isna()].assign(event_timestamp=pd.Timestamp(now))
    states = states.reset_index(drop=True)
    if not len(states):
        return Board(
            states.assign(score=[], probability=[], stage=[], age_days=[]), scorer.version, now
        )
    margin = np.asarray(scorer.margin_of(states), np.float64)
    score = np.clip(50 + 10 * (margin - np.log(BASE_ODDS)) / np.log(2), 0, 100)
    stage, age = _progress(states, now)
    rows = states.assign(
        score=np.round(score).astype(int),
        probability=1 / (1 + np.exp(-margin)),
        stage=stage,
        age_days=age,
    )
    order = np.lexsort((rows["lead_id"].to_numpy().astype(str), -margin))
    return Board(rows.iloc[order].reset_index(drop=True), scorer.version, now)


def _up_to_now(states: pd.DataFrame, live: LiveLeads, now: datetime) -> pd.DataFrame:
    """Return the states with what was accepted since they were made, and leads that came since."""
    changed = live.changed()
    is_changed = states["lead_id"].isin(changed)
    stored = {row["lead_id"]: row for row in states[is_changed].to_dict("records")}
    rows = []
    for lead_id in changed:
        row = stored.get(lead_id)
        entity = None if row is None else _entity(row, now)
        lead = live.lead(lead_id, entity)
        if lead is not None:
            rows.append({**lead.state, "lead_id": lead_id})
    if not rows:
        return states
    moved = pd.DataFrame(rows).reindex(columns=states.columns)
    moved["event_timestamp"] = moved["created"] = pd.Timestamp(now)
    whole: pd.DataFrame = pd.concat(
        [states[~is_changed], moved.astype(states.dtypes.to_dict())], ignore_index=True
    )
    return whole


def _entity(row: Mapping[Any, Any], now: datetime) -> Entity:
    facts = {name: plain(value) for name, value in row.items() if name not in KEYS}
    return Entity(facts, row["event_timestamp"].to_pydatetime(), now)


def _progress(states: pd.DataFrame, now: datetime) -> tuple[list[str], Any]:
    created = states["lead_created_at_us"].to_numpy(np.float64) / 1e6
    as_of = np.full(len(states), now.timestamp())
    derived = at_moment(Moments.parse(states["lead_moments_json"]), created, as_of)
    stage = derived[:, CLOCK_FEATURES.index("history_stage")].astype(int)
    age = derived[:, CLOCK_FEATURES.index("history_age_days")]
    return [STAGES[each] for each in stage], age


def listed(board: Board, request: Request) -> Response:
    """Return the part of the board that a request asks for, with the choices that its filters have."""
    asked = _filters(request.query)
    rows = board.rows
    sources = sorted(rows["lead_source"].dropna().unique())
    areas = sorted(rows["lead_area"].dropna().unique())
    rows = _chosen(rows, asked)
    page = rows.iloc[asked["offset"] : asked["offset"] + asked["limit"]]
    return success(
        {
            "modelVersion": board.version,
            "scoredAt": iso(board.scored_at),
            "total": len(rows),
            "leads": [_row(row) for row in page.to_dict("records")],
            "choices": {"sources": sources, "areas": areas, "stages": list(STAGES)},
        }
    )


def _filters(query_string: str) -> dict[str, Any]:
    try:
        asked = parse_qs(query_string, keep_blank_values=False, max_num_fields=20, errors="strict")
    except (ValueError, UnicodeError) as error:
        raise invalid("/query", "expected a form-encoded query in UTF-8") from error
    unknown = sorted(set(asked) - set(FILTERS))
    if unknown:
        raise invalid(f"/{unknown[0][:60]}", f"unknown parameter; expected {', '.join(FILTERS)}")
    found: dict[str, Any] = {name: values[-1][:200] for name, values in asked.items()}
    for name, (low, high, default) in BOUNDS.items():
        text = found.get(name, str(default))
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise invalid(f"/{name}", f"expected a whole number from {low} to {high}")
        found[name] = int(text)
    return found


def _chosen(rows: pd.DataFrame, asked: Mapping[str, Any]) -> pd.DataFrame:
    kept = rows["score"].between(asked["minScore"], asked["maxScore"])
    for name, column in (("source", "lead_source"), ("area", "lead_area"), ("stage", "stage")):
        if name in asked:
            kept &= rows[column] == asked[name]
    if "query" in asked:
        texts = [rows[name].astype("string") for name in SEARCHED]
        holds = [
            text.str.contains(asked["query"], case=False, regex=False).fillna(value=False)
            for text in texts
        ]
        kept &= holds[0] | holds[1] | holds[2]
    return rows[kept]


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    known: dict[str, Any] = {k: (None if v is None or v != v else v) for k, v in row.items()}  # noqa: PLR0124 - NaN
    return {
        "leadId": known["lead_id"],
        "score": known["score"],
        "predictedConversion": round(known["probability"], 4),
        "leadSource": known["lead_source"],
        "area": known["lead_area"],
        "propertyId": known["lead_property_id"],
        "stage": known["stage"],
        "ageDays": round(known["age_days"], 1),
        "askingPriceUsd": known["lead_asking_price_usd"],
        "propertyValueEstimate": known["property_value_estimate"],
    }
