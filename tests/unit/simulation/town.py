"""A small town of homes, and worlds about it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
import polars as pl

from hki_ml.simulation.homes import Homes
from hki_ml.simulation.world import Defects, World

END = datetime(2016, 12, 28, tzinfo=UTC)


def sales(seed: int = 0, n: int = 600) -> pl.DataFrame:
    """Return sales of 400 homes in six areas, 2010 to 2016, rising 8 % a year."""
    chance = np.random.default_rng(seed)
    day = chance.integers(14_610, 17_160, n)
    home = chance.integers(0, 400, n)
    sqft = 1_000.0 + 5.0 * home
    price = 300.0 * sqft * np.exp(0.08 * (day - 14_610) / 365 + 0.1 * chance.normal(size=n))
    return pl.DataFrame({
        "property_id": [f"home {number}" for number in home],
        "area": [f"area {number % 6}" for number in home],
        "sold_at": pl.Series(day * 86_400_000_000).cast(pl.Datetime("us", "UTC")),
        "price_usd": price.round(),
        "living_sqft": sqft,
    })  # fmt: skip


@cache
def town() -> Homes:
    return Homes.of(sales())


def world(leads: int = 1_500, *, seed: int = 0, defects: Defects | None = None) -> World:
    return World.before(END, seed=seed, leads=leads, defects=defects)
