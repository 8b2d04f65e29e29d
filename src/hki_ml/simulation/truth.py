"""What is really so in a world: each lead's chances at its landmarks, and what causes them.

It is written to a folder of the caller's choosing, never to the lake: no feature can reach it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hki_ml.simulation import effects
from hki_ml.simulation.chance import children, seed_key
from hki_ml.simulation.deals import Deals, deal_ids, deals, in_order, offers
from hki_ml.simulation.homes import Homes
from hki_ml.simulation.investors import Investors, investors
from hki_ml.simulation.lead_events import ARMS, Block
from hki_ml.simulation.leads import DAY_US
from hki_ml.simulation.market import blocks
from hki_ml.simulation.path import (
    ARM_FAST,
    ARM_USUAL,
    CONTRACT_DAYS,
    LANDMARKS,
    STAGE_AT,
    futures,
)  # fmt: skip
from hki_ml.simulation.world import World, microseconds

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

PATHS = 512  # a probability of .14 is known to .015; the AUC of such a truth is .001 below the best
CONTRACT_HORIZON = 365.0  # a contract that is open after a year is none
HORIZONS: tuple[int, ...] = (14, 30, 60, 90, 180)
CURVE_DAYS: tuple[int, ...] = (7, 14, 30, 60, 90, 120, 180, 365)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really so.

    Attributes
    ----------
    landmarks
        A row a lead and landmark at which it is open: ``lead_id``, ``landmark_days``,
        ``event_timestamp``, ``p_close_<days>``, ``cif_closed_<days>`` and ``cif_lost_<days>``,
        ``expected_days`` (mean days to the close among closings within a year, NaN without any),
        ``open_days`` (mean days to any end, at most 365).
    contracts
        A row a contract and day of ``path.CONTRACT_DAYS`` at whose end it is still open: ``lead_id``,
        ``contract_days``, ``p_fall_through`` (lost within ``CONTRACT_HORIZON`` days, not closed).
    leads
        A row a lead: its source, arm and ``logit``, ``is_protected``, ``has_drifted``, and P(close
        within 90 days of its arrival) with a call within the hour and with the usual one
        (``p_close_90_fast``, ``p_close_90_usual``).
    effects
        ``what``, ``level`` and ``log_odds``: the causes.
    responses
        A row a deal and investor who could be asked: ``deal_id``, ``investor_id``, ``p_response`` (of a
        positive answer, were the deal shown, given all that came before) and ``was_offered``.
    tastes
        A row an investor and area: ``investor_id``, ``area``, ``taste``, and the investor's
        ``log_price``, ``keenness``, ``tiring`` (log-odds) and ``per_month``.
    """

    landmarks: pl.DataFrame
    contracts: pl.DataFrame
    leads: pl.DataFrame
    effects: pl.DataFrame
    responses: pl.DataFrame
    tastes: pl.DataFrame

    def write(self, folder: Path) -> None:
        """Write each frame as Parquet under its name into the folder, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for each in fields(self):
            rows: pl.DataFrame = getattr(self, each.name)
            rows.write_parquet(folder / f"{each.name}.parquet")


def truth(world: World, homes: Homes, *, paths: int = PATHS) -> Truth:
    """Return the truth of the leads that are known by the world's end.

    Every lead is run forward ``paths`` times from each landmark's state by the step that made its
    history; some 2 microseconds a path.
    """
    landmarks, contracts, leads, shown = [], [], [], []
    who = investors(world, homes)
    for what in blocks(world, homes):
        shown.append(deals(what, homes, who.areas, until_us=microseconds(world.ends_at)))
        landmarks.append(_landmarks(world, what, paths))
        contracts.append(_contracts(world, what, paths))
        leads.append(_leads(world, what, paths))
    responses = _responses(in_order(shown), who)
    return Truth(
        pl.concat(landmarks), pl.concat(contracts), pl.concat(leads), causes(world), responses,
        _tastes(who),
    )  # fmt: skip


def _responses(what: Deals, who: Investors) -> pl.DataFrame:
    none = {"deal_id": pl.String, "investor_id": pl.String, "p_response": pl.Float64}
    rows = [pl.DataFrame(schema=none | {"was_offered": pl.Boolean})]
    for part, made, chance in offers(what, who):
        deal, investor = np.nonzero(~np.isnan(chance))
        was_offered = np.zeros(chance.shape, bool)
        was_offered[made.deal, made.investor] = True
        told = {
            "deal_id": deal_ids(part).gather(deal),
            "investor_id": who.ids.gather(investor),
            "p_response": chance[deal, investor],
            "was_offered": was_offered[deal, investor],
        }
        rows.append(pl.DataFrame(told))
    return pl.concat(rows)


def _tastes(who: Investors) -> pl.DataFrame:
    investor, area = np.indices(who.taste.shape).reshape(2, -1)
    rows = {
        "investor_id": who.ids.gather(investor),
        "area": pl.Series(who.areas).gather(area),
        "taste": who.taste.ravel(),
    }
    for name in ("log_price", "keenness", "tiring", "per_month"):
        rows[name] = getattr(who, name)[investor]
    return pl.DataFrame(rows)


def _landmarks(world: World, what: Block, paths: int) -> pl.DataFrame:
    days = np.array(LANDMARKS)
    moment = what.known_us[:, None] + days * DAY_US
    # A lead that ends between its arrival and the receipt of it, plus whole days, is still open here.
    is_asked = ~np.isnan(what.states[:, :, 0]) & (moment <= microseconds(world.ends_at))
    lead, landmark = np.nonzero(is_asked)
    keys = children(seed_key(world.seed, 4), what.leads.number[lead] * 100 + landmark)
    came = what.leads
    found = futures(
        keys, came.logit[lead], came.trouble[lead], came.title[lead], came.arm[lead],
        days[landmark], what.states[lead, landmark], np.array(CURVE_DAYS, np.float64), paths,
    )  # fmt: skip
    stamp = pl.Series(moment[lead, landmark]).cast(pl.Datetime("us", "UTC"))
    rows = {
        "lead_id": pl.Series(what.leads.ids[lead]),
        "landmark_days": pl.Series(days[landmark].astype(np.float64)),
        "event_timestamp": stamp,
    }
    return pl.DataFrame(rows | _curves(found))


def _contracts(world: World, what: Block, paths: int) -> pl.DataFrame:
    days = np.array(CONTRACT_DAYS)
    came = what.leads
    signed_on = what.signed[:, 0, STAGE_AT]
    end = came.created_us[:, None] + ((signed_on[:, None] + days + 1) * DAY_US)
    is_asked = ~np.isnan(what.signed[:, :, 0]) & (end <= microseconds(world.ends_at))
    lead, moment = np.nonzero(is_asked)
    keys = children(seed_key(world.seed, 6), came.number[lead] * 100 + moment)
    found = futures(
        keys, came.logit[lead], came.trouble[lead], came.title[lead], came.arm[lead],
        (signed_on[lead] + days[moment] + 1).astype(np.int64), what.signed[lead, moment],
        np.array([CONTRACT_HORIZON]), paths,
    )  # fmt: skip
    return pl.DataFrame({
        "lead_id": pl.Series(came.ids[lead]),
        "contract_days": pl.Series(days[moment].astype(np.float64)),
        "p_fall_through": found[:, 1],
    })  # fmt: skip


def _curves(found: FloatArray) -> dict[str, pl.Series]:
    width = len(CURVE_DAYS)
    close = {days: found[:, place] for place, days in enumerate(CURVE_DAYS)}
    rows = {f"p_close_{days}": pl.Series(close[days]) for days in HORIZONS}
    rows |= {f"cif_closed_{days}": pl.Series(share) for days, share in close.items()}
    rows |= {
        f"cif_lost_{days}": pl.Series(found[:, width + place])
        for place, days in enumerate(CURVE_DAYS)
    }
    with np.errstate(invalid="ignore"):
        rows["expected_days"] = pl.Series(found[:, 2 * width] / close[CURVE_DAYS[-1]])
    rows["open_days"] = pl.Series(found[:, 2 * width + 1])
    return rows


def _leads(world: World, what: Block, paths: int) -> pl.DataFrame:
    known = np.flatnonzero(what.known_us <= microseconds(world.ends_at))
    came = what.leads
    keys = children(seed_key(world.seed, 5), came.number[known])  # the same luck for both arms
    days = np.array([90.0])
    none = np.zeros(len(known), np.int64)
    by_arm = {
        f"p_close_90_{name}": futures(
            keys,
            came.logit[known],
            came.trouble[known],
            came.title[known],
            np.full(len(known), arm),
            none,
            what.states[known, 0],
            days,
            paths,
        )[:, 0]
        for name, arm in (("fast", ARM_FAST), ("usual", ARM_USUAL))
    }
    return pl.DataFrame(
        {
            "lead_id": came.ids[known],
            "lead_source": [list(effects.SOURCES)[place] for place in came.source[known]],
            "follow_up_arm": [ARMS[arm] for arm in came.arm[known]],
            "logit": came.logit[known],
            "is_protected": came.is_protected[known],
            "has_drifted": came.has_drifted[known],
        }
        | by_arm
    )


def causes(world: World) -> pl.DataFrame:
    """Return what moves a lead's log-odds: ``what``, ``level`` (or the unit of a slope), ``log_odds``."""
    rows = [("lead_source", name, effect) for name, (_, _, effect) in effects.SOURCES.items()]
    for what, categories in (
        ("fact_reason_for_selling", effects.REASONS),
        ("fact_condition", effects.CONDITIONS),
        ("fact_occupancy", effects.OCCUPANCIES),
    ):
        rows += [(what, name, effect) for name, (_, effect) in categories.items()]
    rows += [
        ("fact_mortgage_share", "1", effects.MORTGAGE_SLOPE),
        ("fact_timeline_months", "month", effects.TIMELINE_SLOPE),
        ("fact_years_owned", "year", effects.YEARS_SLOPE),
        ("fact_has_agent", "yes", effects.AGENT_EFFECT),
        ("fact_asking_to_estimate", "log", effects.GAP_SLOPE),
        ("season", "May", effects.SEASON_EFFECT),
        ("behind on payments within two months", "yes", effects.URGENT_EFFECT),
    ]
    if world.defects.has_bias:
        rows.append(("fact_mailing_segment", "south", effects.SEGMENT_EFFECT))
    if world.defects.drift_on is not None:
        rows.append(
            ("fact_timeline_months from the drift on", "month", effects.DRIFTED_TIMELINE_SLOPE)
        )
    scaled = [(what, level, effects.SCALE * effect) for what, level, effect in rows]
    return pl.DataFrame(scaled, schema=["what", "level", "log_odds"], orient="row")
