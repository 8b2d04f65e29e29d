"""What the odds are made of: the features of leads, and what is known of the title."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_clock import KINDS
from hki_ml.learning.lead_features import CALENDAR, feature_frame
from hki_ml.models.risk.labels import is_of_contracts

FloatArray = NDArray[np.float64]
LIEN_KINDS: tuple[str, ...] = ("tax", "mechanics", "judgment", "mortgage", "lis_pendens")
SIGNED = KINDS.index("lead.contract_signed")
SEARCH_DAYS = 7.0  # by then a title search has told what it tells
LIENS = "property_liens_json"

RISING: tuple[str, ...] = (
    *(f"title_has_{kind}" for kind in LIEN_KINDS),
    "title_liens_count", "title_liens_share", "property_price_gap", "fact_asking_to_estimate",
    "fact_mortgage_share", "recency_two_way_days", "lead_recency", "history_contacts_unanswered",
    "fact_has_agent",
)  # fmt: skip
FALLING: tuple[str, ...] = ("title_is_clear",)
"""Features with which the risk never falls, and never rises."""
SENSELESS: tuple[str, ...] = (
    *CALENDAR, "lead_asking_price_usd", "market_leads_count_1h",
    "market_leads_count_1d",
)  # fmt: skip


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the features of contracts at their ``event_timestamp``, or the facts of decided cases."""
    found = feature_frame(rows)
    if not is_of_contracts(rows):
        named = [n for n in map(str, found) if n.startswith("fact_") or n == "lead_source"]
        return found[named]
    silent = found["history_stage_days"].to_numpy(np.float64)
    stored = rows[LIENS] if LIENS in rows else [None] * len(rows)
    worth = found["property_value_estimate"].to_numpy(np.float64)
    worth = np.where(np.isnan(worth), found["lead_asking_price_usd"], worth)
    title = title_columns(list(stored), worth, silent)
    return found.drop(columns=[n for n in SENSELESS if n in found]).assign(**title)


def title_columns(
    stored: Sequence[object], worth_usd: FloatArray, contract_days: FloatArray
) -> dict[str, FloatArray]:
    """Return what is known of each title: kinds there, how many, what they amount to, whether clear."""
    listed = [liens_of(text) for text in stored]
    count = np.array([len(each) for each in listed], np.float64)
    owed = np.array(
        [sum(lien["amount_usd"] or 0.0 for lien in each) for each in listed], np.float64
    )
    share = np.minimum(owed / np.where(worth_usd > 0, worth_usd, 300_000.0), 0.5)
    found = {
        f"title_has_{kind}": np.array(
            [float(sum(lien["kind"] == kind for lien in each)) for each in listed], np.float64
        )
        for kind in LIEN_KINDS
    }
    is_clear = (count == 0) & (contract_days >= SEARCH_DAYS - 0.01)
    return found | {
        "title_liens_count": count,
        "title_liens_share": share,
        "title_is_clear": is_clear.astype(np.float64),
    }


def liens_of(stored: object) -> list[dict[str, Any]]:
    """Return the claims in ``property_liens_json``; none where nothing is known."""
    return json.loads(stored) if isinstance(stored, str) and stored else []


def is_signed(state: Mapping[str, Any]) -> bool:
    """Tell whether a lead's state has a contract among its activities."""
    stored = state.get("lead_moments_json")
    return bool(isinstance(stored, str) and stored and SIGNED in json.loads(stored)[0])


def as_signed(state: Mapping[str, Any], at_seconds: float) -> dict[str, Any]:
    """Return the state as it would be if a contract were signed at a moment (seconds since 1970)."""
    stored = state.get("lead_moments_json")
    kinds, times = json.loads(stored) if isinstance(stored, str) and stored else ([], [])
    moments = json.dumps([[*kinds, SIGNED], [*times, at_seconds]])
    return {**state, "lead_moments_json": moments}
