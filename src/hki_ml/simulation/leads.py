"""The leads of a world as they come: source, home, price and facts, each hanging on seed and day alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.simulation import effects
from hki_ml.simulation.chance import Keys, children, normals, seed_key, uniforms
from hki_ml.simulation.homes import Homes
from hki_ml.simulation.path import ARM_FAST, ARM_NONE, ARM_USUAL
from hki_ml.simulation.world import World, microseconds

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

DAY_US = 86_400_000_000
MOST_A_DAY = 100_000
IN_TRIAL = 0.5  # of leads: of them a coin decides who is called within the hour
POISON_DAYS = 14
PROTECTED_SHARE = 0.3
_MISSING = {"condition": 0.1, "mortgage_share": 0.15, "years_owned": 0.08, "timeline_months": 0.2}


@dataclass(frozen=True, slots=True)
class Leads:
    """The leads of some days, in the order of their days; every array has shape ``(n,)``.

    Attributes
    ----------
    number
        Day since 1970 times ``MOST_A_DAY`` plus the place in the day.
    key
        Of everything that is drawn for the lead.
    source, reason, condition, occupancy
        Places in ``effects``' tables; a condition is -1 where nobody asked.
    gap
        Log of asking price over worth.
    logit
        All effects of what can be seen when the lead comes.
    trouble, title
        Log-odds a day that a contract falls through, as far as the facts tell, and P(the title has liens).
    arm
        Whether a coin gave it a call within the hour (``path.ARM_FAST``), none, or no coin was thrown.
    """

    number: IntArray
    key: Keys
    created_us: IntArray
    home: IntArray
    worth: FloatArray
    source: IntArray
    reason: IntArray
    condition: IntArray
    occupancy: IntArray
    mortgage_share: FloatArray
    years_owned: FloatArray
    timeline_months: FloatArray
    has_agent: BoolArray
    gap: FloatArray
    arm: IntArray
    is_protected: BoolArray
    is_segment: BoolArray
    has_drifted: BoolArray
    logit: FloatArray
    trouble: FloatArray
    title: FloatArray

    @property
    def day(self) -> IntArray:
        """Whole days since 1970 at which they came."""
        return self.number // MOST_A_DAY

    @property
    def ids(self) -> NDArray[np.str_]:
        """Return ``lead_`` with the number of each."""
        return np.char.add("lead_", self.number.astype(str))


def numbers(world: World, first_day: int, last_day: int) -> IntArray:
    """Return the numbers of the leads of these days (inclusive): how many hangs on seed and day."""
    days = np.arange(first_day, last_day + 1)
    keys = children(seed_key(world.seed, 1), days)
    wanted = world.leads_per_day * (0.7 + 0.6 * uniforms(keys, 0))
    count = np.floor(wanted + uniforms(keys, 1)).astype(np.int64)
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    found: IntArray = np.repeat(days, count) * MOST_A_DAY + place
    return found


def leads(world: World, homes: Homes, *, first_day: int, last_day: int) -> Leads:
    """Return the leads that come on these days (whole days since 1970, inclusive)."""
    number = numbers(world, first_day, last_day)
    day = number // MOST_A_DAY
    key = children(seed_key(world.seed, 2), number)
    hours = (uniforms(key, 0) + uniforms(key, 1) + uniforms(key, 2)) / 3.0
    home, worth = _homes(key, day, homes)
    has_drifted = _is_from(day, world.defects.drift_on)
    shares = effects.source_shares(1970.0 + day / 365.25)
    shares = np.where(has_drifted[:, None], effects.drifted(shares), shares)
    source = (uniforms(key, 3)[:, None] >= np.cumsum(shares, axis=1)[:, :-1]).sum(axis=1)
    is_protected = uniforms(key, 4) < PROTECTED_SHARE
    told = _facts(key)
    timeline = told["timeline_months"]
    slope = np.where(has_drifted, effects.DRIFTED_TIMELINE_SLOPE, effects.TIMELINE_SLOPE)
    segment = is_protected ^ (uniforms(key, 5) < 0.1)
    gap = 0.02 + 0.15 * normals(key, 6)
    reason = _choice(key, 8, effects.REASONS)
    logit = (
        effects.INTERCEPT
        + np.array([effect for _, _, effect in effects.SOURCES.values()])[source]
        + effects.category_effects(effects.REASONS)[reason]
        + slope * (np.nan_to_num(timeline, nan=4.0) - 4.0)
        + effects.GAP_SLOPE * gap
        + told["sum"]
        + effects.URGENT_EFFECT * ((reason == 2) & (np.nan_to_num(timeline, nan=9.0) <= 2.0))
        + _season(day)
        + _area(homes, home)
        + (effects.SEGMENT_EFFECT * segment if world.defects.has_bias else 0.0)
    )
    trouble, title = _contract(source, reason, told, gap, effects.SCALE * logit)
    return Leads(
        number=number, key=key, home=home, worth=worth, source=source, reason=reason,
        created_us=day * DAY_US + (hours * 0.9999 * DAY_US).astype(np.int64) // 1_000_000 * 1_000_000,
        condition=told["condition"].astype(np.int64), occupancy=told["occupancy"].astype(np.int64),
        mortgage_share=told["mortgage_share"], years_owned=told["years_owned"],
        timeline_months=timeline, has_agent=told["has_agent"] > 0, gap=gap, arm=_arm(key),
        is_protected=is_protected, is_segment=segment, has_drifted=has_drifted,
        logit=effects.SCALE * logit, trouble=trouble, title=title,
    )  # fmt: skip


def _contract(
    source: IntArray, reason: IntArray, told: dict[str, FloatArray], gap: FloatArray, logit: FloatArray
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return the log-odds a day that a contract falls through, by the facts, and P(its title has liens)."""
    levels: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {
        "lead_source": (tuple(effects.SOURCES), source),
        "fact_reason_for_selling": (tuple(effects.REASONS), reason),
        "fact_condition": (tuple(effects.CONDITIONS), told["condition"]),
        "fact_occupancy": (tuple(effects.OCCUPANCIES), told["occupancy"]),
        "fact_has_agent": (("no", "yes"), told["has_agent"]),
    }
    owed = np.nan_to_num(told["mortgage_share"], nan=0.5) - 0.5
    trouble = (
        _added(effects.TROUBLES, levels)
        + effects.TROUBLE_GAP_SLOPE * gap
        + effects.TROUBLE_MORTGAGE_SLOPE * owed
        + effects.TROUBLE_LOGIT_SLOPE * logit
    )
    title = effects.TITLE_INTERCEPT + _added(effects.TITLES, levels)
    return trouble, 1.0 / (1.0 + np.exp(-title))


def _added(
    table: dict[tuple[str, str], float], levels: dict[str, tuple[tuple[str, ...], NDArray[Any]]]
) -> FloatArray:
    """Return the sum of the effects of each lead's levels."""
    total = np.zeros(len(levels["lead_source"][1]))
    for (column, level), effect in table.items():
        names, place = levels[column]
        total += effect * (place == names.index(level))
    return total


def _is_from(day: IntArray, moment: object) -> BoolArray:
    from datetime import datetime

    if not isinstance(moment, datetime):
        return np.zeros(len(day), bool)
    return day >= microseconds(moment) // DAY_US


def _homes(key: Keys, day: IntArray, homes: Homes) -> tuple[IntArray, FloatArray]:
    """Return each lead's home (-1: none is known yet) and its worth on the day."""
    home = homes.chosen(uniforms(key, 20), day)
    worth = np.exp(12.9 + 0.45 * normals(key, 21))
    has = home >= 0
    worth[has] = homes.worth(home[has], day[has])
    return home, worth


def _facts(key: Keys) -> dict[str, FloatArray]:
    """Return the facts that somebody asked for, NaN or -1 where nobody did, and ``sum`` of their effects."""
    condition = _choice(key, 9, effects.CONDITIONS)
    occupancy = _choice(key, 10, effects.OCCUPANCIES)
    mortgage = np.clip(0.5 + 0.3 * normals(key, 11), 0.0, 1.2).round(2)
    years = np.clip(-11.0 * np.log(1.0 - uniforms(key, 13)), 0.2, 60.0).round(1)
    timeline = np.floor(18.0 * uniforms(key, 14) ** 2)
    agent = uniforms(key, 15) < 0.18
    missing = {
        name: uniforms(key, 30 + i) < share for i, (name, share) in enumerate(_MISSING.items())
    }
    total = np.where(
        missing["condition"], 0.0, effects.category_effects(effects.CONDITIONS)[condition]
    )
    total += effects.category_effects(effects.OCCUPANCIES)[occupancy]
    total += np.where(missing["mortgage_share"], 0.0, effects.MORTGAGE_SLOPE * (mortgage - 0.5))
    total += np.where(missing["years_owned"], 0.0, effects.YEARS_SLOPE * (years - 10.0))
    total += effects.AGENT_EFFECT * agent
    return {
        "condition": np.where(missing["condition"], -1, condition),
        "occupancy": occupancy,
        "mortgage_share": np.where(missing["mortgage_share"], np.nan, mortgage),
        "years_owned": np.where(missing["years_owned"], np.nan, years),
        "timeline_months": np.where(missing["timeline_months"], np.nan, timeline),
        "has_agent": agent,
        "sum": total,
    }  # fmt: skip


def _choice(key: Keys, counter: int, categories: dict[str, tuple[float, float]]) -> IntArray:
    limits = np.cumsum([share for share, _ in categories.values()])[:-1]
    return np.searchsorted(limits, uniforms(key, counter), side="right").astype(np.int64)


def _arm(key: Keys) -> IntArray:
    in_trial = uniforms(key, 16) < IN_TRIAL
    coin = np.where(uniforms(key, 17) < 0.5, ARM_FAST, ARM_USUAL)
    return np.where(in_trial, coin, ARM_NONE)


def _season(day: IntArray) -> FloatArray:
    month = day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % 12 + 1
    season: FloatArray = effects.SEASON_EFFECT * np.cos(2.0 * np.pi * (month - 5) / 12.0)
    return season


def _area(homes: Homes, home: IntArray) -> FloatArray:
    if not len(homes.areas):
        return np.zeros(len(home))
    of_home = {area: effects.area_effect(area) for area in set(homes.areas)}
    each = np.array([of_home[area] for area in homes.areas])
    return np.where(home >= 0, each[home], 0.0)
