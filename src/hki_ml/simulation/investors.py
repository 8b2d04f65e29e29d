"""Who buys: investors with criteria that they say, and preferences that nobody is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import orjson
import polars as pl
from numpy.typing import NDArray

from hki_ml.simulation import wire
from hki_ml.simulation.chance import Keys, children, normals, seed_key, uniforms
from hki_ml.simulation.homes import Homes
from hki_ml.simulation.leads import DAY_US
from hki_ml.simulation.world import World, microseconds

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

INVESTORS = 300
KINDS: dict[str, tuple[float, float]] = {
    "flipper": (0.4, 0.0),
    "landlord": (0.35, 0.0),
    "wholesaler": (0.15, 0.0),
    "builder": (0.1, 0.0),
}
OPT_OUT_DAYS = 3_000.0  # mean time until somebody wants no more offers
KEENNESS = (-1.8, 1.2)  # log-odds of a positive answer: mean and spread over investors
NAMED_AREAS = 0.7  # taste of an area from which on it is named in the criteria


@dataclass(frozen=True, slots=True)
class Investors:
    """The investors of a world; every array has shape ``(n,)`` unless said.

    Attributes
    ----------
    kind
        Place in ``KINDS``.
    areas
        The areas there are, in order; ``""`` stands for an unknown one.
    taste
        Of each investor for each area, shape ``(n, areas)``.
    log_price
        At which a deal suits best.
    keenness
        Log-odds of a positive answer to a deal that leaves everything else aside.
    tiring
        How much an offer of today lowers the log-odds of the next answer.
    per_month
        Deals that can be bought in a calendar month (UTC).
    registered_us, opted_out_us
        When they came and when they wanted no more.
    """

    key: Keys
    kind: IntArray
    areas: tuple[str, ...]
    taste: FloatArray
    log_price: FloatArray
    keenness: FloatArray
    tiring: FloatArray
    per_month: IntArray
    registered_us: IntArray
    opted_out_us: IntArray

    @property
    def ids(self) -> pl.Series:
        """Return ``investor_`` with the number of each."""
        return pl.Series([f"investor_{number:04d}" for number in range(len(self.key))])


def investors(world: World, homes: Homes) -> Investors:
    """Return the world's investors: they hang on its seed and start, and not on its end."""
    key = children(seed_key(world.seed, 10), np.arange(INVESTORS))
    areas = ("", *sorted({area for area in homes.areas if area is not None}))
    taste = np.column_stack([normals(_of_area(key, area), 0) for area in areas])
    late_days = np.where(uniforms(key, 0) < 0.6, 0.0, 730.0 * uniforms(key, 1))
    registered = microseconds(world.starts_at) + (late_days * DAY_US).astype(np.int64)
    stays = -OPT_OUT_DAYS * np.log(1.0 - uniforms(key, 2)) + 1.0
    limits = np.cumsum([share for share, _ in KINDS.values()])[:-1]
    return Investors(
        key=key,
        kind=np.searchsorted(limits, uniforms(key, 3), side="right").astype(np.int64),
        areas=areas,
        taste=taste,
        log_price=13.1 + 0.45 * normals(key, 4),
        keenness=KEENNESS[0] + KEENNESS[1] * normals(key, 6),
        tiring=0.05 + 0.1 * uniforms(key, 8),
        per_month=1 + np.floor(4.0 * uniforms(key, 9) ** 2).astype(np.int64),
        registered_us=registered,
        opted_out_us=registered + (np.minimum(stays, 20_000.0) * DAY_US).astype(np.int64),
    )


def _of_area(key: Keys, area: str) -> Keys:
    digest = hashlib.blake2b(area.encode(), digest_size=8).digest()
    return np.asarray(key ^ np.uint64(int.from_bytes(digest)), np.uint64)


def investor_events(who: Investors) -> list[pl.DataFrame]:
    """Return how each investor registered, said what they buy, and opted out, known yet or not."""
    ids, came = who.ids, who.registered_us
    facts = wire.said(
        experience_years=wire.number(20.0 * uniforms(who.key, 11), digits=0),
        is_local=wire.number((uniforms(who.key, 12) < 0.8).astype(np.float64)),
    )
    registered = wire.said(kind=wire.word(wire.named(tuple(KINDS), who.kind)), facts=facts)
    criteria = pl.select(_criteria(who)).to_series()
    opted_out = criteria.str.strip_suffix("}") + ',"optedOut":true}'
    told = pl.select(registered).to_series()
    return [
        wire.frame("investor.registered", ids, came, came + 1_000_000, properties=told),
        wire.frame(
            "investor.criteria_set", ids, came + 60_000_000, came + 61_000_000, properties=criteria
        ),
        wire.frame(
            "investor.criteria_set", ids, who.opted_out_us, who.opted_out_us + 1_000_000,
            properties=opted_out,
        ),
    ]  # fmt: skip


def named_areas(who: Investors) -> NDArray[np.bool_]:
    """Return which areas each investor names, shape ``(n, areas)``."""
    named = who.taste > NAMED_AREAS
    named[:, 0] = False
    return named


def price_range(who: Investors) -> tuple[FloatArray, FloatArray]:
    """Return the lowest and highest price that each investor names, in USD."""
    low: FloatArray = np.exp(who.log_price - 0.6).round(-3)
    high: FloatArray = np.exp(who.log_price + 0.6).round(-3)
    return low, high


def _criteria(who: Investors) -> pl.Expr:
    low, high = price_range(who)
    areas = np.array(who.areas, object)
    named = [areas[row].tolist() or None for row in named_areas(who)]
    texts = [None if each is None else orjson.dumps(each).decode() for each in named]
    cash = pl.Series(np.where(uniforms(who.key, 13) < 0.5, "true", "false"))
    return wire.said(
        areas=pl.Series(texts, dtype=pl.String),
        priceLowUsd=wire.number(low),
        priceHighUsd=wire.number(high),
        dealsPerMonth=wire.number(who.per_month.astype(np.float64)),
        isCashBuyer=cash,
    )
