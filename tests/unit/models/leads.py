"""Simulated leads whose ends hang on what they say and do."""

import json

import numpy as np
import pandas as pd

from hki_ml.learning.lead_features import STATE_COLUMNS
from hki_ml.learning.lead_labels import landmarks


def lead_rows(leads=700, seed=0):
    """Leads of which some answer; those close sooner, and cheap ones are lost later."""
    import pyarrow as pa

    random = np.random.default_rng(seed)
    created = pd.Timestamp("2020-01-01", tz="UTC") + pd.to_timedelta(
        np.sort(random.uniform(0, 700, leads)), unit="D"
    )
    price, warm = random.normal(size=leads), random.random(leads) < 0.4
    close = random.exponential(60 * np.exp(-0.8 * price - 1.0 * warm))
    lose = random.exponential(50 * np.exp(0.3 * price))
    days = np.minimum(close, lose)
    ended = (created + pd.to_timedelta(days, unit="D")).astype("datetime64[us, UTC]")
    created = created.astype("datetime64[us, UTC]")
    end = pd.Timestamp("2022-02-01", tz="UTC")
    known = ended <= end
    table = pd.DataFrame(
        {
            "lead_id": [f"lead{i}" for i in range(leads)],
            "created_at": created,
            "created_known_at": created,
            "outcome": np.where(known, np.where(close < lose, "closed", "lost"), None),
            "ended_at": ended.where(known),
            "ended_known_at": ended.where(known),
            "outcome_source": np.where(known, "crm", None),
        }
    )
    rows = landmarks(pa.Table.from_pandas(table, preserve_index=False), known_until=end)
    at = rows["lead_id"].str[4:].astype(int).to_numpy()
    for name in STATE_COLUMNS:
        rows[name] = np.nan
    rows["lead_created_at_us"] = rows["created_at"].astype("int64")
    rows["lead_source"] = np.where(price > 0.5, "web", "list")[at]
    rows["lead_area"] = None
    rows["lead_facts_json"] = [json.dumps({"price": float(price[i])}) for i in at]
    seconds = rows["created_at"].astype("int64").to_numpy() / 1e6
    rows["lead_moments_json"] = [
        json.dumps([[0, 1], [s + 3600, s + 7200]]) if warm[i] and d >= 1 else None
        for i, s, d in zip(at, seconds, rows["landmark_days"], strict=True)
    ]
    return rows


def state_of(row):
    return {name: row[name] for name in STATE_COLUMNS}
