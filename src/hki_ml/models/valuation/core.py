"""The learned core: facts' worth, the market, the evidence and the members, without any calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from hki_ml.learning.encoding import IntArray
from hki_ml.models.valuation.comparables import Seek, find, find_alike, subject, summary
from hki_ml.models.valuation.ensemble import Effort, Ensemble, fit_ensemble
from hki_ml.models.valuation.evidence import Evidence, Geography, Metric, gather, total_effect
from hki_ml.models.valuation.features import View, look
from hki_ml.models.valuation.hedonic import Hedonic, fit_hedonic
from hki_ml.models.valuation.homes import FloatArray, Homes, ObjectArray
from hki_ml.models.valuation.labels import is_unusual
from hki_ml.models.valuation.market import (
    MarketIndex,
    TradeNotes,
    fit_market,
    month_number,
    refresh_market,
)  # fmt: skip

_LONGEST_LAG_DAYS = 180
_DOUBLED_ROWS = 60_000


@dataclass(frozen=True, slots=True)
class SaleBook:
    """Sales as columns, in order of time: the homes as of their sale, log prices, ids."""

    homes: Homes
    log_price: FloatArray
    home_id: ObjectArray
    sale_id: ObjectArray

    def __len__(self) -> int:
        return len(self.log_price)

    @classmethod
    def of(cls, sales: pd.DataFrame) -> SaleBook:
        """Read a canonical frame of sales with positive prices, sorted by ``sold_at``."""
        return cls(
            Homes.of(sales, as_of=sales["sold_at"]),
            np.log(sales["price_usd"].to_numpy(np.float64)),
            sales["property_id"].astype(str).to_numpy(object),
            sales["sale_id"].astype(str).to_numpy(object),
        )

    def take(self, rows: IntArray | np.ndarray[tuple[int], np.dtype[np.bool_]]) -> SaleBook:
        """Return the sales at ``rows``."""
        return SaleBook(
            self.homes.take(rows), self.log_price[rows], self.home_id[rows], self.sale_id[rows]
        )

    def plus(self, later: SaleBook) -> SaleBook:
        """Return these sales and later ones; a fact that one of them lacks is missing there."""
        mine, new = self.homes, later.homes
        numbers = {
            n: np.concatenate([mine.number(n), new.number(n)])
            for n in sorted({*mine.numbers, *new.numbers})
        }
        categories = {
            n: np.concatenate([mine.category(n), new.category(n)])
            for n in sorted({*mine.categories, *new.categories})
        }
        return SaleBook(
            Homes(np.concatenate([mine.day, new.day]), numbers, categories),
            np.concatenate([self.log_price, later.log_price]),
            np.concatenate([self.home_id, later.home_id]),
            np.concatenate([self.sale_id, later.sale_id]),
        )


@dataclass(frozen=True, slots=True)
class Core:
    """Everything a value needs before calibration; ``book`` are the sales behind ``evidence``."""

    hedonic: Hedonic
    market: MarketIndex
    evidence: Evidence
    ensemble: Ensemble
    book: SaleBook

    def look(self, homes: Homes, *, before: IntArray | None = None, seek: Seek = find) -> View:
        """See homes as of their day."""
        return look(
            homes, hedonic=self.hedonic, market=self.market, evidence=self.evidence, before=before, seek=seek
        )  # fmt: skip

    def with_sales(self, later: SaleBook) -> Core:
        """Return the same model that also knows later sales; their unusual prices are left out."""
        gap = later.log_price - self.hedonic.level - total_effect(self.hedonic.effects(later.homes))
        gap -= self.hedonic.effect("area", later.homes)
        gap -= self.market.at(later.homes.day, later.homes.category("area"))
        book = self.book.plus(later.take(~is_unusual(gap, self.hedonic.scale)))
        seen = gather(
            book.homes, book.log_price, hedonic=self.hedonic,
            geography=self.evidence.geography, metric=self.evidence.metric,
        )  # fmt: skip
        return replace(self, book=book, evidence=seen.as_seen(self.market, self.hedonic))

    def as_of(self, day: int) -> Core:
        """Return the model with the market as it was known before ``day``."""
        known = self.book.homes.day < day
        market = refresh_market(self.market, self._notes(known))
        return replace(self, market=market, evidence=self.evidence.as_seen(market, self.hedonic))

    def _notes(self, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> TradeNotes:
        book = self.book.take(rows)
        area = book.homes.category("area")
        left = book.log_price - self.hedonic.level - self.evidence.attributes[rows]
        left -= self.hedonic.effect("area", book.homes)
        off = np.abs(left - self.market.at(book.homes.day, area))
        weight = np.minimum(1.0, 2.0 * self.hedonic.scale / np.maximum(off, 1e-9))
        return TradeNotes(book.homes.day, area, book.home_id, left, weight)


def choose_metric(book: SaleBook, hedonic: Hedonic, market: MarketIndex) -> Metric:
    """Choose the units of the metric by how well neighbours foretell the latest sales."""
    geography = Geography.of(book.homes)
    spread = hedonic.effects(book.homes).std(axis=0)
    facts = tuple(
        int(j) for j in sorted(np.argsort(-spread, kind="stable")[:6]) if spread[j] > 1e-3
    )
    area_penalty = 0.5 if geography.is_located else 4.0
    base = Metric(0.4, 1.5, 0.15, facts, area_penalty, 1.0)
    # A sample is enough to choose a unit: the latest 40,000 sales stand in for all.
    recent = book.take(np.arange(max(0, len(book) - 40_000), len(book)))
    asked = recent.homes.take(np.arange(max(0, len(recent) - 3_000), len(recent)))
    truth = recent.log_price[-len(asked) :]
    effects = hedonic.effects(asked)
    explained = hedonic.level + total_effect(effects)
    explained += market.at(asked.day, asked.category("area"))
    best, found = np.inf, base
    kilometres = (0.15, 0.3, 0.6, 1.2) if geography.is_located else (0.4,)
    for km, years, effect in product(kilometres, (1.0, 2.0), (0.1, 0.2)):
        tried = replace(base, km=km, years=years, effect=effect)
        seen = gather(
            recent.homes, recent.log_price, hedonic=hedonic, geography=geography, metric=tried
        )
        seen = seen.as_seen(market, hedonic)
        of = subject(seen, asked, effects, before=asked.day)
        said = summary(seen, of, find_alike(seen, of))
        error = float(np.mean(np.abs(truth - explained - np.nan_to_num(said[:, :3].mean(axis=1)))))
        if error < best - 1e-6:
            best, found = error, tried
    return found


def fit_core(book: SaleBook, *, seed: int, effort: Effort) -> Core:
    """Learn from these sales only; unusual prices neither teach nor stand as comparables."""
    month = month_number(book.homes.day)
    fitted = fit_hedonic(book.homes, month=month - month.min(), log_price=book.log_price)
    area = book.homes.category("area")
    market = fit_market(
        TradeNotes(book.homes.day, area, book.home_id, fitted.residual, fitted.weight)
    )
    usual = ~is_unusual(fitted.residual - market.at(book.homes.day, area), fitted.model.scale)
    book = book.take(usual)
    metric = choose_metric(book, fitted.model, market)
    evidence = gather(
        book.homes,
        book.log_price,
        hedonic=fitted.model,
        geography=Geography.of(book.homes),
        metric=metric,
    ).as_seen(market, fitted.model)
    rows, before = _teaching_rows(book, seed)
    view = look(
        book.homes.take(rows), hedonic=fitted.model, market=market, evidence=evidence, before=before
    )
    ensemble = fit_ensemble(view, book.log_price[rows] - view.base, seed=seed, effort=effort)
    return Core(fitted.model, market, evidence, ensemble, book)


def _teaching_rows(book: SaleBook, seed: int) -> tuple[IntArray, IntArray]:
    """Return rows and the day before which each may look.

    Some look back from as much as half a year earlier, so that the members also know what
    evidence that has grown old is worth.
    """
    day = book.homes.day
    lag = np.random.default_rng(seed).integers(0, _LONGEST_LAG_DAYS, len(book))
    if len(book) > _DOUBLED_ROWS:
        lag[::2] = 0
        return np.arange(len(book)), day - lag
    rows = np.repeat(np.arange(len(book)), 2)
    lag = np.repeat(lag, 2)
    lag[::2] = 0
    return rows, day[rows] - lag
