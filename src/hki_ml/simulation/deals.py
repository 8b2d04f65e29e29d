"""Deals and who answers to them, in the order of time: answers tire, and purchases use up capacity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled
from hki_ml.simulation.chance import Keys, child, uniform
from hki_ml.simulation.homes import Homes
from hki_ml.simulation.investors import Investors, named_areas, price_range
from hki_ml.simulation.lead_events import Block, amounts
from hki_ml.simulation.leads import DAY_US
from hki_ml.simulation.path import CONTRACT

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

OFFERS = 20  # of a deal
DEALS_AT_ONCE = 4_096  # some 100,000 events
SILENT, VIEWED, DECLINED, ASKED, TOURED, OFFERED = range(6)
RESPONSES = (None, None, "declined", "asked", "toured", "offered")
FLIPPER, LANDLORD = 0, 1
AREA_WEIGHT = 1.4  # log-odds of one standard deviation of taste for an area
ASKS, TOURS = 0.6, 0.8  # of positive answers: most just ask, a fifth tour, a fifth offer


@dataclass(frozen=True, slots=True)
class Deals:
    """Leads under contract, in the order in which they are shown; every array has shape ``(n,)``.

    Attributes
    ----------
    number, home, area
        The lead's number, its home's place, and the area's place in ``Investors.areas``.
    bargain
        Log of worth over price.
    suits
        Added log-odds of flippers (needs work) and of landlords (has a tenant), shape ``(n, 2)``.
    """

    number: IntArray
    key: Keys
    home: IntArray
    area: IntArray
    shown_us: IntArray
    price: FloatArray
    bargain: FloatArray
    suits: FloatArray


def deals(what: Block, homes: Homes, areas: tuple[str, ...], *, until_us: int) -> Deals:
    """Return the deals of a block that can be shown by a moment (microseconds since 1970)."""
    place = np.flatnonzero(what.kind == CONTRACT)
    shown = what.received_us[place] + DAY_US // 24
    place, shown = place[shown <= until_us], shown[shown <= until_us]
    lead = what.lead[place]
    came = what.leads
    code = {area: at for at, area in enumerate(areas)}
    of_home = np.array([code.get(area or "", 0) for area in homes.areas] or [0], np.int64)
    price = amounts(came, lead, CONTRACT)
    suits = np.column_stack([0.8 * (came.condition[lead] == 0), 0.8 * (came.occupancy[lead] == 1)])
    return Deals(
        number=came.number[lead],
        key=came.key[lead],
        home=came.home[lead],
        area=np.where(came.home[lead] >= 0, of_home[came.home[lead]], 0),
        shown_us=shown,
        price=price,
        bargain=np.log(came.worth[lead] / price),
        suits=suits,
    )


def in_order(parts: list[Deals]) -> Deals:
    """Return all deals in the order in which they are shown."""
    names = list(Deals.__dataclass_fields__)
    every = Deals(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})
    return some(every, np.lexsort((every.number, every.shown_us)))


@dataclass(frozen=True, slots=True)
class Offers:
    """Which investor was shown which deal, and what came of it; every array has shape ``(n,)``.

    Attributes
    ----------
    probability
        Of a positive answer, given all that came before.
    answer
        ``SILENT`` to ``OFFERED``.
    has_bought
        At most one of a deal.
    """

    deal: IntArray
    investor: IntArray
    probability: FloatArray
    answer: IntArray
    has_bought: NDArray[np.bool_]


def utilities(what: Deals, who: Investors) -> FloatArray:
    """Return each investor's log-odds of a positive answer when rested, shape ``(deals, investors)``."""
    off = (np.log(what.price)[:, None] - who.log_price) / 0.45
    suits = what.suits[:, 0][:, None] * (who.kind == FLIPPER)
    suits = suits + what.suits[:, 1][:, None] * (who.kind == LANDLORD)
    found: FloatArray = (
        who.keenness
        + AREA_WEIGHT * who.taste[:, what.area].T
        - 0.6 * off**2
        + 2.5 * what.bargain[:, None]
    ) + suits
    return found


def offers(what: Deals, who: Investors) -> Iterator[tuple[Deals, Offers, FloatArray]]:
    """Yield deals in order with their offers and with every investor's P(positive answer) as of the deal.

    The latter is NaN where the investor cannot be asked.
    """
    months = _buying_months(what)
    people = len(who.key)
    tired = np.zeros((2, people))  # fatigue, and the day it was last looked at
    used = np.zeros((people, int(months.max(initial=0)) + 1), np.int64)
    for start in range(0, len(what.key), DEALS_AT_ONCE):
        part = some(what, slice(start, start + DEALS_AT_ONCE))
        deal, investor, chosen, answer, bought, chance = _offers(
            part.key, part.shown_us, months[start : start + DEALS_AT_ONCE], _fit(part, who),
            utilities(part, who), who.tiring, who.per_month, who.registered_us + DAY_US,
            who.opted_out_us, tired, used,
        )  # fmt: skip
        yield part, Offers(deal, investor, chosen, answer, bought > 0), chance


def some(what: Deals, rows: slice | IntArray) -> Deals:
    """Return these of the deals."""
    return Deals(**{name: getattr(what, name)[rows] for name in Deals.__dataclass_fields__})


def _buying_months(what: Deals) -> IntArray:
    """Return the calendar month (UTC), counted from the first, in which each deal would be bought."""
    moment = (what.shown_us + 3 * DAY_US).astype("datetime64[us]")
    months: IntArray = moment.astype("datetime64[M]").astype(np.int64)
    months -= months.min(initial=10**6)
    return months


def _fit(what: Deals, who: Investors) -> FloatArray:
    """Return how many of area and price each investor named, shape ``(deals, investors)``."""
    low, high = price_range(who)
    price = what.price[:, None]
    fit = named_areas(who)[:, what.area].T.astype(np.float64)
    fit += (price >= low) & (price <= high)
    return fit


@compiled
def _offers(  # noqa: C901, PLR0913, PLR0917 - flat arrays are what numba compiles best
    keys: Keys, shown: IntArray, month: IntArray, fit: FloatArray, utility: FloatArray,
    tiring: FloatArray, per_month: IntArray, since: IntArray, until: IntArray,
    fatigue: FloatArray, used: IntArray,
) -> tuple[IntArray, IntArray, FloatArray, IntArray, IntArray, FloatArray]:  # fmt: skip
    n, people = utility.shape
    chance = np.full((n, people), np.nan)
    deal, investor = np.empty(n * 20, np.int64), np.empty(n * 20, np.int64)
    chosen = np.empty(n * 20)
    answer, bought = np.zeros(n * 20, np.int64), np.zeros(n * 20, np.int64)
    tired, tired_at = fatigue[0], fatigue[1]
    wanted = np.empty(people)
    filled = 0
    for d in range(n):
        now = shown[d] / 86_400e6
        for i in range(people):
            wanted[i] = np.inf
            if since[i] <= shown[d] < until[i]:
                tired[i] *= 0.5 ** ((now - tired_at[i]) / 10.0)
                tired_at[i] = now
                chance[d, i] = 1.0 / (1.0 + np.exp(-utility[d, i] + tired[i]))
                wanted[i] = -fit[d, i] - 1.5 * uniform(child(keys[d], 500 + i), 0)
        order = np.argsort(wanted)
        best, best_worth = -1, -np.inf
        for place in range(min(20, people)):
            i = order[place]
            if wanted[i] == np.inf:
                break
            key = child(keys[d], 500 + i)
            deal[filled], investor[filled], chosen[filled] = d, i, chance[d, i]
            drawn, kind = uniform(key, 1), uniform(key, 2)
            if drawn < chance[d, i]:
                answer[filled] = 3 if kind < ASKS else (4 if kind < TOURS else 5)
                worth = utility[d, i] - 0.7 * np.log(-np.log(1e-12 + uniform(key, 3)))
                if answer[filled] == 5 and worth > best_worth and used[i, month[d]] < per_month[i]:
                    best, best_worth = filled, worth
            elif kind < 0.5:
                answer[filled] = 2 if uniform(key, 3) < 0.4 else 1
            tired[i] += tiring[i]
            filled += 1
        if best >= 0:
            bought[best] = 1
            used[investor[best], month[d]] += 1
    return (
        deal[:filled].copy(), investor[:filled].copy(), chosen[:filled].copy(),
        answer[:filled].copy(), bought[:filled].copy(), chance,
    )  # fmt: skip


def deal_ids(what: Deals) -> pl.Series:
    """Return ``deal_`` with the number of each deal's lead."""
    return pl.Series(np.char.add("deal_", what.number.astype(str)))
