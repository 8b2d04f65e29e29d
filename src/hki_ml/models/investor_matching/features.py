"""What the trees see of a deal and an investor: one function for training and for answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.investor_clock import CLOCK, at_moment
from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.models.investor_matching.criteria import named
from hki_ml.models.investor_matching.deal import Deal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

CRITERIA: tuple[str, ...] = (
    "criteria_area", "criteria_type", "criteria_price_outside", "criteria_price_to_middle",
    "criteria_size_missed", "criteria_cash",
)  # fmt: skip
PROPERTY: tuple[str, ...] = ("property_kind_condition", "property_kind_occupancy", "property_kind")
PRICE: tuple[str, ...] = ("price_gap_asked", "price_gap_value")
OTHERS: tuple[str, ...] = ("capacity_left", "taste_factors")
NAMES: tuple[str, ...] = CRITERIA + PROPERTY + PRICE + OTHERS + CLOCK

FACTOR_OF: dict[str, str] = {
    **dict.fromkeys(CRITERIA, "what they say they buy"),
    **dict.fromkeys(PROPERTY, "kind of property"),
    **dict.fromkeys(PRICE, "price"),
    "price_rate": "price",
    "price_to_answered": "price",
    "taste_factors": "taste",
    **dict.fromkeys(("area_rate", "area_n", "near_rate", "near_distance_km"), "location"),
    **dict.fromkeys(("habit_rate", "habit_offers_n", "habit_recent_rate"), "how often they answer"),
    **dict.fromkeys(("recency_answer_days",), "how often they answer"),
    **dict.fromkeys(("fatigue_offers", "fatigue_7d_count", "recency_shown_days"), "offers of late"),
    **dict.fromkeys(("capacity_left", "capacity_buys_30d", "capacity_buys_month"), "capacity"),
}
RISING = ("taste_factors", "habit_rate", "area_rate", "near_rate", "price_gap_asked",
          "price_gap_value", "property_kind_condition", "property_kind_occupancy",
          "criteria_area", "criteria_type")  # fmt: skip
FALLING = ("fatigue_offers", "fatigue_7d_count", "criteria_price_outside", "criteria_size_missed")
DIRECTIONS = np.array([1 if n in RISING else -1 if n in FALLING else 0 for n in NAMES], np.int64)

CONTENT_ONLY = CRITERIA + PROPERTY + PRICE
"""What a model that knows nothing of who answered what may see."""


@dataclass(frozen=True, eq=False)
class Habits:
    """What is usual, as learned: the answered share, and how each kind of investor answers to what.

    ``condition`` and ``occupancy`` hold log-odds against the usual by ``kind|level``.
    """

    usual: float = 0.2
    kinds: dict[str, float] = field(default_factory=dict)
    condition: dict[str, float] = field(default_factory=dict)
    occupancy: dict[str, float] = field(default_factory=dict)


def pair_features(
    deal: Deal, pool: InvestorPool, rows: IntArray, now: FloatArray, habits: Habits,
    taste: FloatArray, *, who: IntArray | None = None,
) -> FloatArray:  # fmt: skip
    """Return the features of a deal and some investors, shape ``(len(rows), len(NAMES))``.

    Parameters
    ----------
    rows
        Places in the pool.
    now
        Seconds since 1970, shape ``(len(rows),)``.
    taste
        Each one's factor score for the deal, shape ``(len(rows),)``.
    who
        Places in the pool's moments where they are others than in the pool.
    """
    n = {name: values[rows] for name, values in pool.numbers.items()}
    area = float(pool.areas.get(deal.area or "", -1))
    seen = np.array([area, deal.log_price, deal.latitude, deal.longitude])
    clock = at_moment(
        pool.moments, rows if who is None else who, np.tile(seen, (len(rows), 1)), now,
        month_starts(now), habits.usual,
    )  # fmt: skip
    kinds = pool.kind[rows]
    low, high = np.log(n["price_low_usd"]), np.log(n["price_high_usd"])
    outside = np.fmax(np.fmax(low - deal.log_price, deal.log_price - high), 0.0)
    missed = (
        (n["bedrooms_low"] > deal.bedrooms) * 1.0
        + (n["living_sqft_low"] > deal.living_sqft)
        + (n["year_built_low"] > deal.year_built)
    )
    left = n["deals_per_month"] - clock[:, CLOCK.index("capacity_buys_month")]
    return np.column_stack([
        named(pool.in_area, pool.names_areas, deal.area)[rows],
        named(pool.of_type, pool.names_types, deal.property_type)[rows],
        outside, deal.log_price - (low + high) / 2, missed, pool.is_cash[rows],
        _looked_up(habits.condition, kinds, deal.condition),
        _looked_up(habits.occupancy, kinds, deal.occupancy),
        np.array([habits.kinds.get(kind, 0.0) for kind in kinds]),
        np.full(len(rows), deal.gap_asked), np.full(len(rows), deal.gap_value),
        left, taste, clock,
    ])  # fmt: skip


def _looked_up(
    table: dict[str, float], kinds: NDArray[np.object_], level: str | None
) -> FloatArray:
    return np.array([table.get(f"{kind}|{level}", 0.0) for kind in kinds])


def month_starts(now: FloatArray) -> FloatArray:
    """Return when the calendar month (UTC) of each moment began, in seconds since 1970."""
    if len(now) and now[0] == now[-1]:
        moment = datetime.fromtimestamp(float(now[0]), UTC)
        first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return np.full(len(now), first.timestamp())
    months = now.astype(np.int64).astype("datetime64[s]").astype("datetime64[M]")
    return np.asarray(months.astype("datetime64[s]").astype(np.int64), np.float64)


def fit_habits(
    kinds: NDArray[np.object_], deals: list[Deal], of_deal: IntArray, positive: FloatArray
) -> Habits:
    """Learn what is usual from matured offers; thin levels are shrunk to the usual."""
    usual = float(np.clip(positive.mean() if len(positive) else 0.2, 0.01, 0.9))

    def by(keys: list[str]) -> dict[str, float]:
        found = {}
        names, at = np.unique(np.array(keys, object).astype(str), return_inverse=True)
        n, yes = np.bincount(at), np.bincount(at, positive)
        share = (yes + 50 * usual) / (n + 50)
        for name, value in zip(names, share, strict=True):
            found[str(name)] = math.log(value / (1 - value)) - math.log(usual / (1 - usual))
        return found

    pairs = list(zip(kinds, of_deal, strict=True))
    return Habits(
        usual,
        by([str(kind) for kind in kinds]),
        by([f"{kind}|{deals[d].condition}" for kind, d in pairs]),
        by([f"{kind}|{deals[d].occupancy}" for kind, d in pairs]),
    )
