"""Investors as columns: what they said, what they did, and all that moves with the clock, derived at once.

One kernel serves training and answers: fifty thousand investors and one go through the same loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

COLUMNS = ("shown_s", "outcome", "when_s", "area", "property_type", "price_usd", "lat", "lon")
"""The columns of ``investor_moments_json``; outcome 0 silent, 1 declined, 2 positive, 3 bought."""

NUMBERS: dict[str, str] = {
    "price_low_usd": "priceLowUsd",
    "price_high_usd": "priceHighUsd",
    "bedrooms_low": "bedroomsLow",
    "living_sqft_low": "livingSqftLow",
    "year_built_low": "yearBuiltLow",
    "deals_per_month": "dealsPerMonth",
}
STATE_NUMBERS = (
    "investor_offers_count", "investor_positives_count", "investor_buys_count",
    "investor_average_deal_size", "investor_response_rate", "investor_close_rate",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moments:
    """Offers of all investors, one investor after the other, the earliest first.

    Times are seconds since 1970 (UTC), infinite for what never came.

    Attributes
    ----------
    start
        Where each investor's offers begin, shape ``(n + 1,)``.
    shown, when
        The offer, and the purchase or else the positive answer.
    positive_known, bought_known
        When they were received; a state holds only what was, so they are 0 or infinite there.
    area
        Place of the deal's area in ``InvestorPool.areas``, -1 for none.
    log_price, lat, lon
        Of the deal; NaN if unknown.
    """

    start: IntArray
    shown: FloatArray
    when: FloatArray
    positive_known: FloatArray
    bought_known: FloatArray
    area: IntArray
    log_price: FloatArray
    lat: FloatArray
    lon: FloatArray


@dataclass(frozen=True, eq=False)
class InvestorPool:
    """Everybody who could be shown a deal; arrays of shape ``(n,)`` in the order of ``ids``.

    Attributes
    ----------
    names_areas, names_types
        Whether an investor named any; ``in_area`` and ``of_type`` say who named which.
    opted_out
        They are never answered.
    numbers
        ``NUMBERS`` and ``STATE_NUMBERS`` by name, NaN for what was not said.
    """

    ids: NDArray[np.object_]
    kind: NDArray[np.object_]
    opted_out: BoolArray
    is_cash: FloatArray
    numbers: dict[str, FloatArray]
    names_areas: BoolArray
    names_types: BoolArray
    in_area: dict[str, IntArray]
    of_type: dict[str, IntArray]
    areas: dict[str, int]
    moments: Moments
    place: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return how many investors there are."""
        return len(self.ids)

    @classmethod
    def of(cls, table: pa.Table) -> InvestorPool:
        """Return the pool of rows of ``tables.INVESTOR_STATE``, the latest an investor."""
        order = np.argsort(table["event_timestamp"].to_numpy(), kind="stable")
        ids = np.asarray(table["investor_id"].to_pylist(), object)
        latest = np.array(sorted({ids[i]: i for i in order}.values()), np.int64)
        rows = table.take(pa.array(latest))
        texts = rows["investor_criteria_json"].to_pylist()
        criteria = [{} if not text else orjson.loads(text) for text in texts]
        return cls.made(
            ids[latest], rows["investor_kind"].to_pylist(), criteria,
            opted_out=np.array([bool(v) for v in rows["investor_opted_out"].to_pylist()], bool),
            state={n: _floats(rows[n].to_pylist()) for n in STATE_NUMBERS},
            moments=[orjson.loads(t) if t else None for t in rows["investor_moments_json"].to_pylist()],
        )  # fmt: skip

    @classmethod
    def made(
        cls,
        ids: NDArray[np.object_],
        kinds: Sequence[str | None],
        criteria: Sequence[dict[str, Any]],
        *,
        opted_out: BoolArray,
        state: dict[str, FloatArray],
        moments: Sequence[Any],
    ) -> InvestorPool:
        """Return the pool of investors with their criteria as the event says them."""
        numbers = {
            name: _floats([said.get(key) for said in criteria]) for name, key in NUMBERS.items()
        }
        in_area = _listed(criteria, "areas")
        of_type = _listed(criteria, "propertyTypes")
        areas = {name: at for at, name in enumerate(_all_areas(in_area, moments))}
        cash = [said.get("isCashBuyer") for said in criteria]
        return cls(
            ids=ids,
            kind=np.asarray([kind or "" for kind in kinds], object),
            opted_out=opted_out | np.array([bool(c.get("optedOut")) for c in criteria], bool),
            is_cash=_floats([None if c is None else float(c) for c in cash]),
            numbers=numbers | state,
            names_areas=np.array([bool(c.get("areas")) for c in criteria], bool),
            names_types=np.array([bool(c.get("propertyTypes")) for c in criteria], bool),
            in_area=in_area,
            of_type=of_type,
            areas=areas,
            moments=_packed(moments, areas),
            place={str(name): at for at, name in enumerate(ids)},
        )


def _floats(values: Sequence[Any]) -> FloatArray:
    return np.array([np.nan if v is None else float(v) for v in values], np.float64)


def _listed(criteria: Sequence[dict[str, Any]], key: str) -> dict[str, IntArray]:
    found: dict[str, list[int]] = {}
    for at, said in enumerate(criteria):
        for name in said.get(key) or ():
            found.setdefault(name, []).append(at)
    return {name: np.array(places, np.int64) for name, places in found.items()}


def _all_areas(in_area: dict[str, IntArray], moments: Sequence[Any]) -> list[str]:
    named = set(in_area)
    for columns in moments:
        if columns:
            named |= {area for area in columns[3] if area is not None}
    return sorted(named)


def _packed(moments: Sequence[Any], areas: dict[str, int]) -> Moments:
    start = np.concatenate([[0], np.cumsum([len(m[0]) if m else 0 for m in moments])])
    whole: list[list[Any]] = [[] for _ in COLUMNS]
    for columns in moments:
        if columns:
            for part, column in zip(whole, columns, strict=True):
                part.extend(column)
    area = np.array([areas[a] if a is not None else -1 for a in whole[3]], np.int64)
    outcome = np.array(whole[1], np.int64)
    return Moments(
        start.astype(np.int64), _floats(whole[0]), _floats(whole[2]),
        np.where(outcome >= 2, 0.0, np.inf), np.where(outcome == 3, 0.0, np.inf),
        area, np.log(_floats(whole[5])), _floats(whole[6]), _floats(whole[7]),
    )  # fmt: skip
