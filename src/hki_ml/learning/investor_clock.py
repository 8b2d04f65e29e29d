"""What of an investor and a deal hangs on the moment: habits, tiredness and capacity, in one kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled
from hki_ml.learning.investor_pool import Moments

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SETTLED_DAYS = 3.0  # younger offers may still be answered: they count neither way
TIRED_HALF_LIFE_DAYS = 10.0
HABIT_HALF_LIFE_DAYS = 365.0
PRIOR = 6.0  # offers that speak for the usual before one's own do
NEAR_KM, NEAR_PRICE = 1.5, 0.25  # kernels' widths: kilometres, log of price
KM_PER_DEGREE = 111.2

CLOCK: tuple[str, ...] = (
    "habit_rate", "habit_offers_n", "habit_recent_rate", "area_rate", "area_n", "near_rate",
    "near_distance_km", "price_rate", "price_to_answered", "fatigue_offers", "fatigue_7d_count",
    "recency_shown_days", "recency_answer_days", "capacity_buys_30d", "capacity_buys_month",
)  # fmt: skip
"""The kernel's columns: rates as log-odds against the usual rate, distances in km, spans in days."""


def at_moment(
    moments: Moments, investor: IntArray, deal: FloatArray, now: FloatArray, month: FloatArray,
    usual: float,
) -> FloatArray:  # fmt: skip
    """Return the ``CLOCK`` columns of pairs of a deal and an investor, shape ``(n, len(CLOCK))``.

    What was not received before ``now`` is passed over.

    Parameters
    ----------
    investor
        Place in the moments, shape ``(n,)``.
    deal
        Area code (-1: unknown), log price, latitude, longitude; shape ``(n, 4)``.
    now, month
        Seconds since 1970: the moment, and when its calendar month (UTC) began; shape ``(n,)``.
    usual
        The share of offers that is answered.
    """
    return _derive(
        moments.start, moments.shown, moments.when, moments.positive_known, moments.bought_known,
        moments.area, moments.log_price, moments.lat, moments.lon, investor, deal, now, month, usual,
    )  # fmt: skip


@compiled
def _against(positive: float, n: float, rate: float, prior: float) -> float:
    share = (positive + prior * rate) / (n + prior)
    return float(np.log(share / (1.0 - share)) - np.log(rate / (1.0 - rate)))


@compiled
def _derive(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - flat arrays are what numba compiles best
    start: IntArray, shown: FloatArray, when: FloatArray, positive_known: FloatArray,
    bought_known: FloatArray, area: IntArray, log_price: FloatArray, lat: FloatArray, lon: FloatArray,
    investor: IntArray, deal: FloatArray, now: FloatArray, month: FloatArray, usual: float,
) -> FloatArray:  # fmt: skip
    out = np.full((len(investor), 15), np.nan)
    day = 86_400.0
    for i in range(len(investor)):
        who = investor[i]
        at = now[i]
        code, price = deal[i, 0], deal[i, 1]
        here_lat, here_lon = deal[i, 2], deal[i, 3]
        east = KM_PER_DEGREE * np.cos(np.deg2rad(here_lat))
        n = yes = recent_n = recent_yes = area_n = area_yes = near_n = near_yes = 0.0
        price_n = price_yes = tired = week = buys_30 = buys_month = sum_price = sum_n = 0.0
        last_shown = last_answer = -np.inf
        nearest = np.inf
        for j in range(start[who], start[who + 1]):
            if shown[j] >= at:
                continue
            age = (at - shown[j]) / day
            last_shown = max(last_shown, shown[j])
            if age < 70.0:
                tired += 0.5 ** (age / TIRED_HALF_LIFE_DAYS)
            if age < 7.0:
                week += 1.0
            is_yes = 1.0 if positive_known[j] <= at else 0.0
            if is_yes > 0.0:
                last_answer = max(last_answer, when[j])
            if bought_known[j] <= at:
                if at - when[j] < 30.0 * day:
                    buys_30 += 1.0
                if when[j] >= month[i]:
                    buys_month += 1.0
            if age < SETTLED_DAYS:
                continue
            n += 1.0
            yes += is_yes
            w = 0.5 ** (age / 60.0)
            recent_n += w
            recent_yes += w * is_yes
            w = 0.5 ** (age / HABIT_HALF_LIFE_DAYS)
            if code >= 0 and area[j] == code:
                area_n += w
                area_yes += w * is_yes
            off = (log_price[j] - price) / NEAR_PRICE
            if not np.isnan(off):
                k = w * np.exp(-0.5 * off * off)
                price_n += k
                price_yes += k * is_yes
                sum_n += is_yes
                sum_price += is_yes * log_price[j]
            north = (lat[j] - here_lat) * KM_PER_DEGREE
            side = (lon[j] - here_lon) * east
            km = np.sqrt(north * north + side * side)
            if not np.isnan(km):
                k = w * np.exp(-0.5 * (km / NEAR_KM) ** 2)
                near_n += k
                near_yes += k * is_yes
                if is_yes > 0.0:
                    nearest = min(nearest, km)
        own = (yes + PRIOR * usual) / (n + PRIOR)
        out[i, 0] = _against(yes, n, usual, PRIOR)
        out[i, 1] = n
        out[i, 2] = _against(recent_yes, recent_n, own, PRIOR)
        out[i, 3] = _against(area_yes, area_n, own, 3.0)
        out[i, 4] = area_n
        out[i, 5] = _against(near_yes, near_n, own, 3.0)
        if nearest < np.inf:
            out[i, 6] = nearest
        out[i, 7] = _against(price_yes, price_n, own, 3.0)
        if sum_n > 0.0:
            out[i, 8] = price - sum_price / sum_n
        out[i, 9] = tired
        out[i, 10] = week
        if last_shown > -np.inf:
            out[i, 11] = (at - last_shown) / day
        if last_answer > -np.inf:
            out[i, 12] = (at - last_answer) / day
        out[i, 13] = buys_30
        out[i, 14] = buys_month
    return out
