"""What could be done about a lead: each action written into its moments, its features derived again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_clock import CLOCK_FEATURES, KINDS, STAGES, Moments, at_moment
from hki_ml.learning.lead_features import FACT_PREFIX
from hki_ml.learning.lead_matrix import LeadMatrix
from hki_ml.models.lead_scoring.answer import Action
from hki_ml.models.lead_scoring.features import prepared
from hki_ml.models.lead_scoring.scale import points_of

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CORRELATIONAL, RANDOMISED = "correlational", "randomised"
PRICE_GAP, ASKED = "property_price_gap", "lead_asking_price_usd"
SMALLEST_GAP = 0.02  # log: an asking price this near the value is agreed on


@dataclass(frozen=True, slots=True)
class Possible:
    """An action of the catalogue: the activities it leaves behind, and the stage that makes it idle."""

    name: str
    activities: tuple[str, ...]
    idle_from: str | None
    text: str


CATALOGUE: tuple[Possible, ...] = (
    Possible("call_within_a_day", ("lead.contacted",), None, "Call within a day."),
    Possible(
        "have_a_conversation", ("lead.contacted", "lead.replied"), None,
        "Reach them and have them answer: a call they take, a message they reply to.",
    ),
    Possible("set_appointment", ("lead.appointment_set",), "appointment", "Set an appointment."),
    Possible("send_offer", ("lead.offer_made",), "offer", "Send an offer."),
)  # fmt: skip
AGREE_ON_PRICE = "agree_on_price"
CONTACTED = KINDS.index("lead.contacted")


@dataclass(frozen=True, slots=True)
class Lottery:
    """An action that leads drew lots for: the fact that says what they drew, and while it still matters.

    Attributes
    ----------
    drew, better
        What a lead drew that could still have the other, and the other.
    until_days
        The lead's age up to which it can be done.
    """

    name: str
    fact: str
    drew: str
    better: str
    until_days: float
    text: str


LOTTERIES: tuple[Lottery, ...] = (
    Lottery(
        "follow_up_at_once", "follow_up_arm", "usual", "fast", 1.0,
        "Follow up at once: leads drew lots for it, so the difference is its effect.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Idea:
    """One action with the row of the matrix as it would be at once after it."""

    name: str
    text: str
    row: FloatArray
    kind: str = CORRELATIONAL

    def told(self, before: float, after: float) -> Action:
        """Return the action with what it changes, from log-odds before and after it."""
        change = 1 / (1 + math.exp(-after)) - 1 / (1 + math.exp(-before))
        return Action(self.name, self.kind, points_of(after) - points_of(before), change, self.text)


def what_if(
    state: Mapping[str, Any], features: Mapping[str, Any], row: FloatArray, *,
    names: Sequence[str], as_of_us: float,
) -> list[Idea]:  # fmt: skip
    """Return what could be done about a lead now.

    Only what somebody can do is changed: activities, and the price that is asked.
    """
    stage = int(features["history_stage"])
    possible = [p for p in CATALOGUE if p.idle_from is None or stage < STAGES.index(p.idle_from)]
    ideas = _after_activities(state, row, possible, names=names, as_of_us=as_of_us)
    gap = features.get(PRICE_GAP)
    if gap is not None and gap > SMALLEST_GAP and PRICE_GAP in names:
        agreed = row.copy()
        agreed[names.index(PRICE_GAP)] = 0.0
        agreed[names.index(ASKED)] = features[ASKED] * math.exp(-gap)
        ideas.append(Idea(AGREE_ON_PRICE, "Agree on a price at the value.", agreed))
    return ideas


def drawn_by_lot(features: Mapping[str, Any], row: FloatArray, matrix: LeadMatrix) -> list[Idea]:
    """Return what could be done that leads have drawn lots for."""
    ideas = []
    for lottery in LOTTERIES:
        column = FACT_PREFIX + lottery.fact
        if features.get(column) != lottery.drew or column not in matrix.rates:
            continue
        if features["history_age_days"] > lottery.until_days:
            continue
        other = row.copy()
        other[matrix.names.index(column)] = matrix.rates[column].log_ratio.get(lottery.better, 0.0)
        ideas.append(Idea(lottery.name, lottery.text, other, RANDOMISED))
    return ideas


def _after_activities(
    state: Mapping[str, Any], row: FloatArray, possible: Sequence[Possible], *,
    names: Sequence[str], as_of_us: float,
) -> list[Idea]:  # fmt: skip
    created = state.get("lead_created_at_us")
    if created is None or not possible:
        return []
    text = state.get("lead_moments_json")
    kinds, times = json.loads(text) if isinstance(text, str) and text else ([], [])
    now = as_of_us / 1e6
    every_kind: list[int] = []
    every_time: list[float] = []
    ends = [0]
    for action in possible:
        every_kind += [*kinds, *(KINDS.index(activity) for activity in action.activities)]
        every_time += [*times, *(now for _ in action.activities)]
        ends.append(len(every_kind))
    moments = Moments(np.array(ends), np.array(every_kind), np.array(every_time, np.float64))
    count = len(possible)
    clock = at_moment(moments, np.full(count, float(created) / 1e6), np.full(count, now))
    rows = np.tile(row, (count, 1))
    for at, name in enumerate(CLOCK_FEATURES):
        if name in names:
            rows[:, names.index(name)] = clock[:, at]
    rows = prepared(rows, names)
    return [Idea(p.name, p.text, rows[i]) for i, p in enumerate(possible)]


def as_called(states: pd.DataFrame, matrix: LeadMatrix) -> tuple[pd.DataFrame, BoolArray]:
    """Return leads as they would be right after a call at their ``event_timestamp``, shape ``(n,)``.

    Where lots are drawn for a quick call and this lead could still have it, that is the call, and the second
    array says so: its effect is causal. Elsewhere a contact is added to what was done.
    """
    now = pd.DatetimeIndex(states["event_timestamp"]).as_unit("us").asi8 / 1e6
    created = states["lead_created_at_us"].to_numpy(np.float64) / 1e6
    facts, moments = (states[n].tolist() for n in ("lead_facts_json", "lead_moments_json"))
    (lottery,) = LOTTERIES
    drew = np.zeros(len(states), bool)
    is_known = FACT_PREFIX + lottery.fact in matrix.rates
    for at, (fact, moment) in enumerate(zip(facts, moments, strict=True)):
        known = json.loads(fact) if isinstance(fact, str) and fact else {}
        is_young = now[at] - created[at] <= lottery.until_days * 86_400
        if is_known and is_young and known.get(lottery.fact) == lottery.drew:
            drew[at] = True
            facts[at] = json.dumps({**known, lottery.fact: lottery.better})
            continue
        kinds, times = json.loads(moment) if isinstance(moment, str) and moment else ([], [])
        moments[at] = json.dumps([[*kinds, CONTACTED], [*times, float(now[at])]])
    return states.assign(lead_facts_json=facts, lead_moments_json=moments), drew
