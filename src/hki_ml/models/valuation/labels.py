"""Which sales may teach: arm's length ones with a price that could be one, the others with their reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.models.valuation.homes import FloatArray, day_number, day_numbers, require_columns

SALE_COLUMNS = ("sale_id", "property_id", "sold_at", "price_usd")
# A price under a fiftieth of its type's median is a transfer, not a sale.
_NOMINAL_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Screened:
    """Sales that may teach, in order of time, and the others with a ``reason`` column."""

    kept: pd.DataFrame
    quarantined: pd.DataFrame


def screen(sales: pd.DataFrame, *, as_of: pd.Timestamp) -> Screened:
    """Part sales known before ``as_of`` by what their record alone says about them.

    Reasons, the first that holds: ``not_before_as_of``, ``price_not_positive``, ``not_arms_length``,
    ``duplicate``, ``several_homes_one_price`` and ``nominal_price``.
    """
    require_columns(sales, SALE_COLUMNS)
    reason = np.full(len(sales), "", dtype=object)

    def mark(where: NDArray[np.bool_], name: str) -> None:
        reason[where & (reason == "")] = name

    price = pd.to_numeric(sales["price_usd"], errors="coerce").to_numpy(np.float64)
    dated = sales["sold_at"].notna().to_numpy()
    day = np.full(len(sales), np.iinfo(np.int64).max)
    day[dated] = day_numbers(sales.loc[dated, "sold_at"])
    mark(day >= day_number(as_of), "not_before_as_of")
    mark(~(np.isfinite(price) & (price > 0)), "price_not_positive")
    if "is_arms_length" in sales:
        mark((sales["is_arms_length"] == False).to_numpy(), "not_arms_length")  # noqa: E712 - keeps missing
    keyed = sales.assign(_day=day, _open=reason == "")
    mark(keyed.duplicated(["property_id", "_day", "price_usd", "_open"]).to_numpy(), "duplicate")
    mark(_deeds(keyed), "several_homes_one_price")
    mark(_nominal(sales, price, reason == ""), "nominal_price")
    kept = sales[reason == ""].sort_values(["sold_at", "sale_id"], kind="stable")
    lost = sales.assign(reason=reason)[reason != ""]
    return Screened(kept.reset_index(drop=True), lost.reset_index(drop=True))


def _deeds(keyed: pd.DataFrame) -> NDArray[np.bool_]:
    """Find homes that share day, area and exact price with two others: one deed, its total on each."""
    if "area" not in keyed or (keyed["sold_at"].dt.day == 1).mean() > 0.9:
        return np.zeros(len(keyed), dtype=bool)  # months cannot tell a deed from a coincidence
    size = keyed.groupby(["_day", "area", "price_usd"], dropna=False)["sale_id"].transform("size")
    return np.asarray((size >= 3).to_numpy() & keyed["_open"].to_numpy(), dtype=bool)


def _nominal(sales: pd.DataFrame, price: FloatArray, still: NDArray[np.bool_]) -> NDArray[np.bool_]:
    kind = sales["property_type"] if "property_type" in sales else pd.Series("", index=sales.index)
    asked = pd.Series(np.where(still, price, np.nan), index=sales.index)
    typical = asked.groupby(kind.fillna("")).transform("median").to_numpy()
    return np.asarray(price < _NOMINAL_SHARE * typical, dtype=bool)


def is_unusual(residual: FloatArray, scale: float) -> NDArray[np.bool_]:
    """Find prices that no fact, place or month explains (log residual against index and facts).

    Low prices are judged more strictly: a family sale or a forced one errs downward.
    """
    low = np.clip(4.0 * scale, 0.7, 1.1)
    high = np.clip(5.0 * scale, 0.9, 1.6)
    return np.asarray((residual < -low) | (residual > high))
