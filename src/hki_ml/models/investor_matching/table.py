"""The spine as a matrix: every offer with what was known of the investor and of all offers before it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.investor_pool import STATE_NUMBERS, InvestorPool, Moments
from hki_ml.models.investor_matching.deal import Deal
from hki_ml.models.investor_matching.factors import Factors, fit_factors
from hki_ml.models.investor_matching.features import NAMES, Habits, pair_features
from hki_ml.models.investor_matching.labels import Labels, labels

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOLDS = 8  # factors are fitted anew this often: a row's taste comes from answers before its fold
DECAY_DAYS = 365.0
BOUGHT_WEIGHT = 3.0  # a purchase says more of a taste than a question


@dataclass(frozen=True, eq=False)
class Offers:
    """The spine in order of time; arrays of shape ``(n,)``.

    Attributes
    ----------
    deals
        Each deal once; ``of_deal`` is the place of each row's.
    pool
        Each investor once a version of its criteria, with the moments of all offers; ``row`` is the
        place of each row's investor in it, ``who`` its place among the moments.
    """

    rows: pd.DataFrame
    deals: list[Deal]
    of_deal: IntArray
    pool: InvestorPool
    row: IntArray
    who: IntArray
    now: FloatArray
    found: Labels


def offers_of(frame: pd.DataFrame, *, known_until: pd.Timestamp) -> Offers:
    """Return the rows of a frame with what was received by a moment."""
    rows = frame[frame["event_timestamp"] <= known_until]
    rows = rows.sort_values(["event_timestamp", "deal_id", "investor_id"], kind="stable")
    rows = rows.reset_index(drop=True)
    first = rows.drop_duplicates("deal_id")
    place = {name: at for at, name in enumerate(first["deal_id"])}
    deals = [Deal.of(_plain(dict(said))) for said in first.to_dict("records")]
    of_deal = rows["deal_id"].map(place).to_numpy(np.int64)
    pool, row, who = _pool(rows, deals, of_deal)
    now = seconds(rows["event_timestamp"])
    return Offers(rows, deals, of_deal, pool, row, who, now, labels(rows, known_until=known_until))


def _plain(said: dict[Hashable, Any]) -> dict[str, Any]:
    return {str(k): None if isinstance(v, float) and v != v else v for k, v in said.items()}  # noqa: PLR0124


def seconds(column: pd.Series) -> FloatArray:
    """Return moments as seconds since 1970, infinite for none."""
    whole = column.dt.as_unit("us").astype("int64").to_numpy() / 1e6
    return np.where(column.isna().to_numpy(), np.inf, whole)


def _pool(
    rows: pd.DataFrame, deals: list[Deal], of_deal: IntArray
) -> tuple[InvestorPool, IntArray, IntArray]:
    names, who = np.unique(rows["investor_id"].to_numpy(object).astype(str), return_inverse=True)
    texts = rows["investor_criteria_json"].fillna("").astype(str)
    key = pd.Series(who).astype(str) + "|" + texts
    _, first, row = np.unique(
        key.to_numpy(object).astype(str), return_index=True, return_inverse=True
    )
    said = [orjson.loads(text) if text else {} for text in texts.iloc[first]]
    pool = InvestorPool.made(
        names[who[first]].astype(object),
        [k if isinstance(k, str) else None for k in rows["investor_kind"].iloc[first]],
        said,
        opted_out=np.zeros(len(first), bool),
        state={n: rows[n].iloc[first].to_numpy(np.float64) for n in STATE_NUMBERS},
        moments=[None] * len(first),
    )
    named = set(pool.in_area) | {deal.area for deal in deals if deal.area is not None}
    areas = {name: at for at, name in enumerate(sorted(named))}
    moments = _moments(rows, deals, of_deal, who, areas)
    return replace(pool, areas=areas, moments=moments), row.astype(np.int64), who.astype(np.int64)


def _moments(
    rows: pd.DataFrame, deals: list[Deal], of_deal: IntArray, who: IntArray, areas: dict[str, int]
) -> Moments:
    order = np.lexsort((np.arange(len(rows)), who))
    start = np.searchsorted(who[order], np.arange(int(who.max(initial=-1)) + 2))
    bought, positive = seconds(rows["bought_at"]), seconds(rows["positive_at"])
    deal = of_deal[order]
    code = np.array([areas.get(d.area or "", -1) for d in deals], np.int64)
    numbers = np.array([(d.log_price, d.latitude, d.longitude) for d in deals]).reshape(-1, 3)
    when = np.where(np.isfinite(bought), bought, positive)
    return Moments(
        start.astype(np.int64), seconds(rows["shown_known_at"])[order], when[order],
        seconds(rows["positive_known_at"])[order], seconds(rows["bought_known_at"])[order],
        code[deal], *numbers[deal].T,
    )  # fmt: skip


def factors_before(what: Offers, moment: float, *, seed: int) -> Factors:
    """Return the factors of the answers that were known strictly before a moment (seconds)."""
    known = seconds(what.rows["positive_known_at"])
    rows = np.flatnonzero((known < moment) & (what.now < moment))
    shown = np.unique(what.of_deal[what.now < moment])
    place = np.full(len(what.deals), -1)
    place[shown] = np.arange(len(shown))
    bought = seconds(what.rows["bought_known_at"])[rows] < moment
    weight = np.where(bought, BOUGHT_WEIGHT, 1.0)
    weight *= 0.5 ** ((moment - what.now[rows]) / 86_400 / DECAY_DAYS)
    return fit_factors(
        what.rows["investor_id"].to_numpy(object)[rows], [what.deals[d] for d in shown],
        place[what.of_deal[rows]], weight, seed=seed,
    )  # fmt: skip


def taste_out_of_time(what: Offers, *, seed: int) -> FloatArray:
    """Return each row's factor score by factors of answers before the row's fold of time."""
    taste = np.zeros(len(what.now))
    cuts = np.quantile(what.now, np.arange(1, FOLDS) / FOLDS)
    for at, cut in enumerate(cuts):
        until = cuts[at + 1] if at + 1 < len(cuts) else np.inf
        rows = np.flatnonzero((what.now >= cut) & (what.now < until))
        if len(rows):
            taste[rows] = taste_of(what, rows, factors_before(what, float(cut), seed=seed))
    return taste


def taste_of(what: Offers, rows: IntArray, factors: Factors) -> FloatArray:
    """Return the factor scores of rows."""
    deals = np.unique(what.of_deal[rows])
    places = np.stack([factors.place(what.deals[int(d)]) for d in deals])
    people = factors.of_pool(what.pool.ids)[what.row[rows]]
    own = places[np.searchsorted(deals, what.of_deal[rows])]
    return np.asarray(np.einsum("ij,ij->i", people, own), np.float64)


def matrix(what: Offers, rows: IntArray, habits: Habits, taste: FloatArray) -> FloatArray:
    """Return the features of rows, shape ``(len(rows), len(NAMES))``; ``taste`` is of these rows."""
    out = np.empty((len(rows), len(NAMES)))
    order = np.argsort(what.of_deal[rows], kind="stable")
    edges = np.flatnonzero(np.diff(what.of_deal[rows][order])) + 1
    for part in np.split(order, edges):
        if len(part):
            at = rows[part]
            out[part] = pair_features(
                what.deals[int(what.of_deal[at[0]])], what.pool, what.row[at], what.now[at],
                habits, taste[part], who=what.who[at],
            )  # fmt: skip
    return out
