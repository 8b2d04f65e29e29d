"""Deals and who answers to them, in the order of time: answers tire, and purchases use up capacity."""

from __future__ import annotations

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
SILENT, VIEWED, DECLINED, ASKED, TOURED, OFFERED = range(6)
RESPONSES = (None, None, "declined", "asked", "toured", "offered")
FLIPPER, LANDLORD = 0, 1


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
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    order = np.lexsort((joined["number"], joined["shown_us"]))
    return Deals(**{name: values[order] for name, values in joined.items()})


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
        who.keenness + 0.9 * who.taste[:, what.area].T - 0.6 * off**2 + 2.5 * what.bargain[:, None]
    ) + suits
    return found


def offers(what: Deals, who: Investors) -> tuple[Offers, FloatArray]:
    """Return the offers, and every pair's P(positive answer) as of the deal, NaN if it cannot be asked."""
    named, (low, high) = named_areas(who), price_range(who)
    price = what.price[:, None]
    fit = named[:, what.area].T.astype(np.float64)
    fit += (price >= low) & (price <= high)
    month = what.shown_us + 3 * DAY_US  # when a buyer would have bought
    months = month.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    base = int(months.min()) if len(months) else 0
    deal, investor, chosen, answer, bought, chance = _offers(
        what.key, what.shown_us, months - base, fit, utilities(what, who), who.tiring,
        who.per_month, who.registered_us + DAY_US, who.opted_out_us,
    )  # fmt: skip
    return Offers(deal, investor, chosen, answer, bought > 0), chance


@compiled
def _offers(  # noqa: C901, PLR0913, PLR0917 - flat arrays are what numba compiles best
    keys: Keys, shown: IntArray, month: IntArray, fit: FloatArray, utility: FloatArray,
    tiring: FloatArray, per_month: IntArray, since: IntArray, until: IntArray,
) -> tuple[IntArray, IntArray, FloatArray, IntArray, IntArray, FloatArray]:  # fmt: skip
    n, people = utility.shape
    chance = np.full((n, people), np.nan)
    deal, investor = np.empty(n * 20, np.int64), np.empty(n * 20, np.int64)
    chosen = np.empty(n * 20)
    answer, bought = np.zeros(n * 20, np.int64), np.zeros(n * 20, np.int64)
    months = month.max() + 1 if n else 1
    used = np.zeros((people, months), np.int64)
    tired, tired_at = np.zeros(people), np.zeros(people)
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
                answer[filled] = 3 if kind < 0.4 else (4 if kind < 0.7 else 5)
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
