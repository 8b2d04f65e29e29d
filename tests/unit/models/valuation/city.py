"""A small made-up city, so that claims about the room can be tested in seconds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hki_ml.models.valuation.ensemble import Effort

QUICK = Effort(boosting_rounds=40, forest_trees=8, network_rows=1_000, networks=1, threads=1)


def city(
    n: int = 1_200, *, seed: int = 0, located: bool = True, months: bool = False
) -> pd.DataFrame:
    """Sales over two years in four areas, with a trend, a gradient in space and noise of 8 %."""
    random = np.random.default_rng(seed)
    day = np.sort(random.integers(0, 730, n))
    place = random.uniform(0, 1, (n, 2))
    sqft = random.uniform(600, 4_000, n)
    noise = random.normal(0, 0.08, n)
    log_price = 12 + 0.7 * np.log(sqft / 1_500) + 0.4 * place[:, 0] + 0.0003 * day + noise
    sold = pd.Timestamp("2020-01-01") + pd.to_timedelta(day, unit="D")
    frame = pd.DataFrame({
        "sale_id": [f"s{i}" for i in range(n)],
        "property_id": [f"p{i}" for i in range(n)],
        "sold_at": sold,
        "price_usd": np.exp(log_price),
        "area": np.where(place[:, 0] < 0.5, "west", "east") + np.where(place[:, 1] < 0.5, " s", " n"),
        "property_type": np.where(random.random(n) < 0.3, "townhouse", "house"),
        "latitude": 47.6 + 0.1 * place[:, 1] if located else np.nan,
        "longitude": -122.3 + 0.1 * place[:, 0] if located else np.nan,
        "living_sqft": sqft,
        "bedrooms": random.integers(1, 6, n).astype(float),
        "year_built": random.integers(1900, 2019, n).astype(float),
    })  # fmt: skip
    if months:
        frame["sold_at"] = frame["sold_at"].dt.to_period("M").dt.to_timestamp()
    return frame
