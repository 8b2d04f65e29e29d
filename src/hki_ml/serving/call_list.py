"""``GET /ml/call-list``: whom to call today with the people and minutes that there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.decisions.calls import CallTerms, call_list, why_not
from hki_ml.errors import BadInput, Unavailable
from hki_ml.serving.asked import iso
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.lead_board import Board, LeadBoard
from hki_ml.serving.naming import camel
from hki_ml.serving.problem import invalid

MOST_TOLD = 200  # of those without a call
KINDS = {True: "randomised", False: "correlational"}
TERMS: tuple[str, ...] = tuple(camel(each.name) for each in fields(CallTerms))


class Caller(Protocol):
    """What says by how much a call changes the chance of many leads."""

    def gain_of_calls(self, states: pd.DataFrame) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the change of each P(close), and where it was tried by lot."""
        ...


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes call lists from the morning's board; ``usual`` are the terms of whoever names none."""

    board: LeadBoard
    scorer: Callable[[], Any]
    clock: Callable[[], datetime]
    usual: CallTerms = field(default_factory=CallTerms)

    async def list(self, request: Request) -> Response:
        """Answer ``call-list``."""
        terms = _terms(request.query, self.usual)
        board = await asyncio.to_thread(self.board.board, self.clock())
        scorer = self.scorer()
        if scorer is None:
            raise Unavailable("no lead_scoring model is loaded yet")
        data = await asyncio.to_thread(_listed, board, getattr(scorer, "champion", scorer), terms)
        return success(data)


def _listed(board: Board, scorer: Caller, terms: CallTerms) -> dict[str, Any]:
    rows = board.rows
    gain, drew = scorer.gain_of_calls(rows) if len(rows) else (np.zeros(0), np.zeros(0, bool))
    ask = rows["lead_asking_price_usd"].astype(float)
    value = rows["property_value_estimate"].astype(float).fillna(ask).to_numpy(np.float64)
    found = call_list(gain, np.asarray(value, np.float64), terms)
    ids, score = rows["lead_id"].tolist(), rows["score"].tolist()

    def told(at: int) -> dict[str, Any]:
        return {
            "leadId": ids[at],
            "score": int(score[at]),
            "gain": round(float(gain[at]), 5),
            "kind": KINDS[bool(drew[at])],
            "expectedProfitUsd": round(float(found.expected_profit_usd[at]), 2),
        }

    return {
        "modelVersion": board.version,
        "scoredAt": iso(board.scored_at),
        "terms": {camel(each.name): getattr(terms, each.name) for each in fields(terms)},
        "calls": [
            {**told(each.lead), "caller": each.caller + 1, "afterMinutes": each.after_minutes}
            for each in found.calls
        ],
        "noTime": [told(at) for at in found.no_time[:MOST_TOLD].tolist()],
        "notWorth": [
            {**told(at), "reason": why_not(float(gain[at]), float(value[at]), terms)}
            for at in found.not_worth[:MOST_TOLD].tolist()
        ],
        "counts": {
            "open": len(rows), "called": len(found.calls), "noTime": len(found.no_time),
            "notWorth": len(found.not_worth),
        },
        "expectedProfitUsd": round(sum(each.expected_profit_usd for each in found.calls), 2),
    }  # fmt: skip


def _terms(query: str, usual: CallTerms) -> CallTerms:
    try:
        asked = parse_qs(query, keep_blank_values=True, max_num_fields=20, errors="strict")
    except (ValueError, UnicodeError) as error:
        raise invalid("/query", "expected a form-encoded query in UTF-8") from error
    given: dict[str, Any] = {}
    for each in fields(CallTerms):
        values = asked.pop(camel(each.name), None)
        if values is not None:
            given[each.name] = _number(camel(each.name), values[-1], whole=each.name == "callers")
    if asked:
        raise invalid(
            f"/{next(iter(asked))[:60]}", f"unknown parameter; expected {', '.join(TERMS)}"
        )
    terms = replace(usual, **given)
    try:
        terms.check()
    except BadInput as error:
        name, said = str(error).split(": ", maxsplit=1)
        raise invalid(f"/{camel(name)}", said) from error
    return terms


def _number(name: str, text: str, *, whole: bool) -> float:
    try:
        return int(text) if whole else float(text)
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        raise invalid(f"/{name}", f"expected {kind}, got {text[:40]!r}") from error
