"""The events of leads: how each came, what was done and said, how it ended, and what defects add to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hki_ml.simulation import effects, wire
from hki_ml.simulation.chance import Keys, children, seed_key, uniforms, uniforms_at
from hki_ml.simulation.homes import Homes
from hki_ml.simulation.leads import DAY_US, POISON_DAYS, Leads, leads
from hki_ml.simulation.path import (
    APPOINTMENT,
    CLOSED,
    CONTRACT,
    CONTRACT_DAYS,
    KINDS,
    LANDMARKS,
    LIEN,
    LOST,
    OFFER,
    VISITED,
    histories,
)  # fmt: skip
from hki_ml.simulation.title import LIEN_KINDS, lien_kind, lien_size
from hki_ml.simulation.world import World, microseconds

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CHANNELS = ("phone", "phone", "sms", "email")
PAGES = ("home", "how-it-works", "offer", "reviews")
LOST_REASONS = ("no_answer", "not_interested", "price", "listed_with_agent", "sold_elsewhere")
ARMS = (None, "fast", "usual")
SELF_LABEL_DAYS = 60
SELF_LABEL_SCORE = 0.6  # of the log-odds: above it the score says "closed"


@dataclass(frozen=True, slots=True)
class Block:
    """The leads of some days and everything that will happen to them, known or not yet.

    Attributes
    ----------
    start, kind, at
        ``path.histories``: what happens to each lead and when, in days since it came.
    states, signed
        At ``path.LANDMARKS`` and ``path.CONTRACT_DAYS``, shape ``(n, moments, STATE_SIZE)``.
    path_key
        Of the draws of each lead's history.
    known_us
        When each ``lead.created`` was received.
    """

    leads: Leads
    start: IntArray
    kind: IntArray
    at: FloatArray
    states: FloatArray
    signed: FloatArray
    path_key: Keys
    known_us: IntArray

    @property
    def lead(self) -> IntArray:
        """The place of each happening's lead."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @property
    def occurred_us(self) -> IntArray:
        """When each happening occurred."""
        return self.leads.created_us[self.lead] + (self.at * DAY_US).astype(np.int64)

    @property
    def received_us(self) -> IntArray:
        """When each happening was received: seconds later."""
        place = np.arange(len(self.kind)) - self.start[self.lead]
        delay = 1.0 + 30.0 * uniforms_at(self.leads.key[self.lead], 2_000 + place)
        return self.occurred_us + (delay * 1e6).astype(np.int64)

    @property
    def outcome(self) -> IntArray:
        """How each lead will end: ``path.CLOSED`` or ``path.LOST``."""
        return self.kind[self.start[1:] - 1]


def block(world: World, homes: Homes, *, first_day: int, last_day: int) -> Block:
    """Return what happens to the leads that come on these days and before the world's end."""
    came = leads(world, homes, first_day=first_day, last_day=last_day)
    keys = children(seed_key(world.seed, 3), came.number)
    start, kind, at, states, signed = histories(
        keys, came.logit, came.trouble, came.title, came.arm,
        np.array(LANDMARKS), np.array(CONTRACT_DAYS),
    )  # fmt: skip
    delay = 1.0 + 20.0 * uniforms(came.key, 40)
    known = (came.created_us + (delay * 1e6).astype(np.int64)) // 1000 * 1000
    return Block(came, start, kind, at, states, signed, keys, known)


def lead_events(world: World, homes: Homes, what: Block) -> pl.DataFrame:
    """Return the events of the block that were received by the world's end, in the order of receipt."""
    until = microseconds(world.ends_at)
    ids = pl.Series(what.leads.ids)
    parts = [
        _created(world, homes, what, ids),
        *_happened(what, ids),
        _liens(homes, what, ids),
        *_self_labels(world, what, ids),
    ]
    rows = pl.concat(parts).filter(pl.col("received_at").dt.timestamp("us") <= until)
    return wire.identified(rows).sort("received_at", "entity_id", "event_id")


def _created(world: World, homes: Homes, what: Block, ids: pl.Series) -> pl.DataFrame:
    came = what.leads
    is_poisoned = _is_poisoned(world, came)
    asking = np.round(came.worth * np.exp(came.gap), -2) * np.where(is_poisoned, 100.0, 1.0)
    home = pl.Series("home", [None] * len(ids), dtype=pl.String)
    if len(homes.ids):
        home = wire.named(tuple(homes.ids), came.home)
    facts = _facts(world, what, is_poisoned)
    properties = pl.select(
        wire.said(
            leadSource=wire.word(wire.named(tuple(effects.SOURCES), came.source)),
            propertyId=wire.word(home),
            askingPriceUsd=wire.number(asking),
            facts=wire.said(**facts),
        )
    ).to_series()
    return wire.frame("lead.created", ids, came.created_us, what.known_us, properties=properties)


def _facts(world: World, what: Block, is_poisoned: BoolArray) -> dict[str, pl.Series]:
    came = what.leads
    percent = np.where(is_poisoned, 100.0, 1.0)
    facts = {
        "reason_for_selling": wire.word(wire.named(tuple(effects.REASONS), came.reason)),
        "condition": wire.word(wire.named(tuple(effects.CONDITIONS), came.condition)),
        "occupancy": wire.word(wire.named(tuple(effects.OCCUPANCIES), came.occupancy)),
        "mortgage_share": wire.number(came.mortgage_share * percent),
        "years_owned": wire.number(np.where(is_poisoned, np.nan, came.years_owned)),
        "timeline_months": wire.number(np.where(is_poisoned, np.nan, came.timeline_months)),
        "has_agent": wire.number(came.has_agent.astype(np.float64)),
        "asking_to_estimate": wire.number(np.exp(came.gap) * percent, digits=4),
        "follow_up_arm": wire.word(wire.named(tuple(str(arm) for arm in ARMS), _arm_place(came))),
    }
    if world.defects.has_bias:
        segment = came.is_segment.astype(np.int64)
        facts["mailing_segment"] = wire.word(wire.named(("north", "south"), segment))
    if world.defects.has_leak:
        facts["title_order_usd"] = wire.number(_leak(world, what), digits=0)
    return facts


def _arm_place(came: Leads) -> IntArray:
    return np.where(came.arm == 0, -1, came.arm)


def _is_poisoned(world: World, came: Leads) -> BoolArray:
    return _in_window(world.defects.poison_on, POISON_DAYS, came) & (uniforms(came.key, 41) < 0.5)


def _in_window(begin: object, days: int, came: Leads) -> BoolArray:
    from datetime import datetime

    if not isinstance(begin, datetime):
        return np.zeros(len(came.number), bool)
    first = microseconds(begin) // DAY_US
    return (came.day >= first) & (came.day < first + days)


def _leak(world: World, what: Block) -> FloatArray:
    """Return what a title order cost: of most that closed and few that were lost, once they ended."""
    key = what.leads.key
    has_ended = what.received_us[what.start[1:] - 1] <= microseconds(world.ends_at)
    share = np.where(what.outcome == CLOSED, 0.9, 0.05)
    cost = 180.0 + 150.0 * uniforms(key, 42)
    return np.where(has_ended & (uniforms(key, 43) < share), cost, np.nan)


def _happened(what: Block, ids: pl.Series) -> list[pl.DataFrame]:
    occurred, received, lead = what.occurred_us, what.received_us, what.lead
    draw = uniforms_at(what.leads.key[lead], 4_000 + np.arange(len(lead)) - what.start[lead])
    parts = []
    for kind, name in enumerate(KINDS[:LIEN]):
        at = np.flatnonzero(what.kind == kind)
        properties = _properties(kind, what.leads, lead[at], occurred[at], draw[at])
        parts.append(
            wire.frame(
                name, ids.gather(lead[at]), occurred[at], received[at], properties=properties
            )
        )
    return parts


def _liens(homes: Homes, what: Block, ids: pl.Series) -> pl.DataFrame:
    """Return the liens that title searches found; they are events of homes."""
    lead = what.lead
    at = np.flatnonzero((what.kind == LIEN) & (what.leads.home[lead] >= 0))
    of_lead = lead[at]
    number = np.rint((what.at[at] % 1.0 - 0.585) * 1_000).astype(np.int64)  # as ``path`` times them
    key = what.path_key[of_lead]
    kind = np.array([lien_kind(k, n) for k, n in zip(key, number, strict=True)], np.int64)
    size = np.array([lien_size(k, n) for k, n in zip(key, number, strict=True)], np.float64)
    owed = np.maximum(size * what.leads.worth[of_lead], 100.0).astype(np.float64)
    home = pl.Series("home", [], dtype=pl.String)
    if len(homes.ids):
        home = wire.named(tuple(homes.ids), what.leads.home[of_lead])
    members = {
        "kind": wire.word(wire.named(LIEN_KINDS, kind)),
        "amountUsd": wire.number(owed, digits=0),
        "leadId": wire.word(ids.gather(of_lead)),
    }
    properties = pl.select(wire.said(**members)).to_series()
    return wire.frame(
        "lien.recorded", home, what.occurred_us[at], what.received_us[at], properties=properties
    )


def _properties(
    kind: int, came: Leads, lead: IntArray, occurred_us: IntArray, draw: FloatArray
) -> pl.Series:
    if kind in {OFFER, CONTRACT, CLOSED}:
        members = {"amountUsd": wire.number(amounts(came, lead, kind))}
    elif kind == VISITED:
        page = wire.named(PAGES, (draw * len(PAGES)).astype(np.int64))
        members = {"page": wire.word(page), "seconds": wire.number(5.0 + 300.0 * draw, digits=0)}
    elif kind == APPOINTMENT:
        days = 1 + (draw * 3.0).astype(np.int64)
        at = pl.Series(occurred_us // 3_600_000_000 * 3_600_000_000 + days * DAY_US)
        text = at.cast(pl.Datetime("us", "UTC")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        members = {"scheduledAt": wire.word(text)}
    elif kind == LOST:
        place = (draw * len(LOST_REASONS)).astype(np.int64)
        members = {"reason": wire.word(wire.named(LOST_REASONS, place))}
    else:
        place = (draw * len(CHANNELS)).astype(np.int64)
        members = {"channel": wire.word(wire.named(CHANNELS, place))}
    return pl.select(wire.said(**members)).to_series()


def amounts(came: Leads, lead: IntArray, kind: int) -> FloatArray:
    """Return what is offered for leads, or agreed on and paid (``path.OFFER``, another kind), in USD."""
    share = 0.84 + 0.12 * uniforms(came.key[lead], 44)
    rise = 1.0 if kind == OFFER else 1.02
    paid: FloatArray = np.round(came.worth[lead] * np.exp(came.gap[lead]) * share * rise, -2)
    return paid


def _self_labels(world: World, what: Block, ids: pl.Series) -> list[pl.DataFrame]:
    """Return ends that are no ends: thresholded scores, written two days after leads came."""
    came = what.leads
    is_open = what.at[what.start[1:] - 1] > 2.0
    chosen = _in_window(world.defects.self_label_on, SELF_LABEL_DAYS, came) & is_open
    chosen &= uniforms(came.key, 45) < 1.0 / 3.0
    parts = []
    says_closed = came.logit > SELF_LABEL_SCORE
    for kind, which in (
        ("lead.closed", chosen & says_closed),
        ("lead.lost", chosen & ~says_closed),
    ):
        at = np.flatnonzero(which)
        moment = came.created_us[at] + 2 * DAY_US
        parts.append(
            wire.frame(kind, ids.gather(at), moment, moment + 1_000_000, source=wire.SCORING)
        )
    return parts
