"""What the models look at of a lead: one function from its stored state and a moment to named features."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_clock import CLOCK_FEATURES, Moments, at_moment

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

FACT_PREFIX = "fact_"
HOME_PREFIX = "history_home_"
RATIO_PREFIX = HOME_PREFIX + "ratio_"
LANDMARK_DAYS: tuple[int, ...] = (0, 1, 3, 7, 14, 30)
"""Days after its arrival at which a lead is scored to learn from."""

KEPT_NUMBERS: tuple[str, ...] = (
    "lead_source_quality",
    "lead_close_rate",
    "lead_asking_price_usd",
    "property_value_estimate",
    "property_value_fsd",
    "comparable_properties_count",
    "property_living_sqft",
    "property_year_built",
    "neighborhood_appreciation_rate",
    "market_price_per_sqft_usd",
    "market_sales_count_90d",
    "market_leads_count_1h",
    "market_leads_count_1d",
    "history_home_gap_days",
    "history_home_closed_share",
    "history_home_last_closed",
    "history_home_last_days",
)
"""Numbers of the state that are features as they stand.

How much a rate was made from (``lead_source_quality_n``) is none: it only grows, and tells time."""

CALENDAR: tuple[str, ...] = ("time_month", "time_weekday", "time_hour")
CATEGORIES: tuple[str, ...] = ("lead_source", "lead_area")
NUMBERS: tuple[str, ...] = (
    *CLOCK_FEATURES,
    *KEPT_NUMBERS,
    "property_price_gap",
    *CALENDAR,
)

STATE_COLUMNS: tuple[str, ...] = (
    "lead_created_at_us",
    "lead_moments_json",
    "lead_facts_json",
    "history_home_facts_json",
    *CATEGORIES,
    *KEPT_NUMBERS,
)
"""What of ``tables.LEAD_STATE`` the features are made from."""

FACTORS: dict[str, tuple[str, ...]] = {
    "property_value": ("property_", "comparable_", "lead_asking_"),
    "engagement_level": ("engagement_", "lead_engagement_", "history_contacts_"),
    "market_conditions": ("neighborhood_", "market_", "lead_area", "lead_close_rate"),
    "lead_source": ("lead_source",),
    "lead_history": ("history_stage", HOME_PREFIX),
    "time_decay": ("lead_recency", "recency_", "history_age_", "time_"),
    "lead_facts": (FACT_PREFIX,),
}
"""Business factor → how the names of its features begin."""


def factor_of(feature: str) -> str:
    """Return the business factor that a feature belongs to.

    Examples
    --------
    >>> factor_of("engagement_replies_count_7d"), factor_of("history_stage_days"), factor_of("fact_job")
    ('engagement_level', 'lead_history', 'lead_facts')
    """
    for factor, beginnings in FACTORS.items():
        if feature.startswith(beginnings):
            return factor
    raise KeyError(f"expected a feature of a known factor, got {feature!r}")


def features(state: Mapping[str, Sequence[Any] | NDArray[Any]], as_of_us: FloatArray) -> Columns:
    """Return every feature of each lead at its moment: ``NUMBERS``, ``CATEGORIES`` and its facts.

    Numbers are float64 with NaN for unknown, categories text or ``None``. A fact is a number if every
    lead that has it says a number, else a category.

    Parameters
    ----------
    state
        ``STATE_COLUMNS``, each of shape ``(n,)``.
    as_of_us
        Microseconds since 1970 (UTC), shape ``(n,)``.
    """
    created_us = np.asarray(state["lead_created_at_us"], np.float64)
    clock = at_moment(
        Moments.parse(state["lead_moments_json"]), created_us / 1e6, np.asarray(as_of_us) / 1e6
    )
    found: Columns = {name: clock[:, at] for at, name in enumerate(CLOCK_FEATURES)}
    for name in KEPT_NUMBERS:
        found[name] = np.asarray(state[name], np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found["property_price_gap"] = np.log(
            found["lead_asking_price_usd"] / found["property_value_estimate"]
        )
    found |= _calendar(created_us)
    for name in CATEGORIES:
        found[name] = _text(state[name])
    facts = _facts(state["lead_facts_json"])
    return found | facts | _against_last(facts, _facts(state["history_home_facts_json"]))


def feature_frame(states: pd.DataFrame) -> pd.DataFrame:
    """Return the features of leads at their ``event_timestamp``, under the same index.

    A column that is not there is unknown: states were stored before it was thought of.
    """
    import pandas as pd

    as_of = states["event_timestamp"].astype("datetime64[us, UTC]").astype("int64").to_numpy()
    unknown = np.full(len(states), None)
    columns = {
        name: states[name].to_numpy() if name in states else unknown for name in STATE_COLUMNS
    }
    return pd.DataFrame(features(columns, as_of.astype(np.float64)), index=states.index)


def feature_row(state: Mapping[str, Any], as_of_us: float) -> dict[str, Any]:
    """Return the features of one lead at a moment, as numbers and text."""
    columns = {name: [state.get(name)] for name in STATE_COLUMNS}
    found = features(columns, np.array([as_of_us]))
    return {name: values[0] for name, values in found.items()}


def _calendar(created_us: FloatArray) -> Columns:
    """Return month (1-12), weekday (0 is Monday) and hour (UTC) at which a lead came."""
    moments = created_us.astype("datetime64[us]")
    days = moments.astype("datetime64[D]")
    return {
        "time_month": moments.astype("datetime64[M]").astype(np.int64) % 12 + 1.0,
        "time_weekday": (days.astype(np.int64) + 3) % 7 + 0.0,
        "time_hour": ((moments - days).astype(np.int64) // 3_600_000_000) + 0.0,
    }


def _text(values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    kept = [value if isinstance(value, str) else None for value in values]
    out = np.empty(len(kept), object)
    out[:] = kept
    return out


def _against_last(facts: Columns, earlier: Columns) -> Columns:
    """Return the log of each fact above zero over what it was for the home's last lead."""
    found: Columns = {}
    for name, now in facts.items():
        last = earlier.get(name)
        if last is None or not now.dtype == last.dtype == np.float64:
            continue
        both = (now > 0) & (last > 0)
        ratio = np.divide(now, last, out=np.ones(len(now)), where=both)
        found[RATIO_PREFIX + name.removeprefix(FACT_PREFIX)] = np.where(both, np.log(ratio), np.nan)
    return found


def _facts(stored: Sequence[Any] | NDArray[Any]) -> Columns:
    rows = [json.loads(text) if isinstance(text, str) and text else {} for text in stored]
    names = sorted({name for row in rows for name in row})
    found: Columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        if any(isinstance(value, str) for value in values):
            found[FACT_PREFIX + name] = _text([None if v is None else str(v) for v in values])
        else:
            found[FACT_PREFIX + name] = np.array(values, np.float64)
    return found
