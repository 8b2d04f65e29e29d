"""The matcher: who should see a deal, out of fifty thousand, in a few milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from hki_ml.errors import NotFound
from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.models.investor_matching.answer import Alternative, Match, MatchAnswer, Reason, WhyNot
from hki_ml.models.investor_matching.criteria import broken, would_admit
from hki_ml.models.investor_matching.deal import Deal
from hki_ml.models.investor_matching.explain import Explainer
from hki_ml.models.investor_matching.features import NAMES, pair_features
from hki_ml.models.investor_matching.train import Matcher

if TYPE_CHECKING:
    from hki_ml.models.investor_matching.offers import PlanAnswer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

RANKED = 150  # of the admitted, the best by habit and taste: only they are looked at in full
NEARLY = 40  # of those not admitted
ALTERNATIVES = 5
LEFT = NAMES.index("capacity_left")
__all__ = ["InvestorMatcher", "load"]


@dataclass(frozen=True, eq=False)
class _Ready:
    """What of a pool the matcher keeps beside it: factors and log-odds of habit."""

    vectors: FloatArray
    habit: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Who could be offered a deal and has room for one more, ranked in full.

    Attributes
    ----------
    rows, table, margin
        Places in the pool ``(n,)``, matrix ``(n, names)`` and log-odds ``(n,)``.
    admitted
        How many could be in all.
    """

    rows: IntArray
    table: FloatArray
    margin: FloatArray
    admitted: int


class InvestorMatcher:
    """A matcher with its version: what answers one question at a time."""

    def __init__(self, matcher: Matcher, *, version: str) -> None:
        self.matcher = matcher
        self.version = version
        self._explainer = Explainer.of()
        self._ready: WeakKeyDictionary[InvestorPool, _Ready] = WeakKeyDictionary()

    def answer(
        self,
        deal: Mapping[str, Any],
        pool: InvestorPool,
        *,
        as_of: datetime,
        limit: int = 5,
        why_not: str | None = None,
    ) -> MatchAnswer:
        """Return the investors who should see a deal, with reasons that add up.

        Who opted out is never in it; who has bought as many this month as they can is not admitted.
        With more than 150 admitted only the 150 best by habit and taste are ranked in full.

        Parameters
        ----------
        deal
            Any of the columns of table ``deals``; what is not there is unknown.
        as_of
            Aware; what was received after it is passed over.

        Raises
        ------
        NotFound
            If ``why_not`` names nobody of the pool.
        """
        asked = Deal.of(deal)
        rules = broken(pool, asked)
        there = ~pool.opted_out
        fits = ~rules.any(axis=0) & there
        likely = self._likely(pool, asked)
        rows, table, margin = self._ranked(asked, pool, fits, likely, as_of)
        full = table[:, LEFT] < 1
        order = np.lexsort((rows, -margin, full))
        order = order[~full[order]]
        matches = tuple(self._match(pool, rows[i], table[i], margin[i]) for i in order[:limit])
        named = None if why_not is None else self._why_not(
            why_not, asked, pool, rules, (rows[order], as_of)
        )  # fmt: skip
        nearly = self._alternatives(asked, pool, rules, likely, as_of)
        return MatchAnswer(
            matches, nearly, named, int(there.sum()), int(fits.sum()) - int(full.sum())
        )

    def answer_for_investor(
        self,
        investor_id: str,
        deals: Sequence[Mapping[str, Any]],
        pool: InvestorPool,
        as_of: datetime,
        limit: int = 5,
    ) -> MatchAnswer:
        """Return the deals that suit an investor, best first, as matches with ``deal_id``.

        Raises
        ------
        NotFound
            If nobody of the pool has this id.
        """
        at = self._place(pool, investor_id)
        found, admitted = [], 0
        for said in deals if not pool.opted_out[at] else ():
            deal = Deal.of(said)
            if broken(pool, deal)[:, at].any():
                continue
            row = np.array([at])
            table = self._table(deal, pool, row, as_of)
            if table[0, LEFT] < 1:
                continue
            admitted += 1
            found.append((float(self.matcher.margin(table)[0]), deal.deal_id or "", table[0]))
        found.sort(key=lambda each: (-each[0], each[1]))
        matches = tuple(
            self._match(pool, at, row, margin, deal_id) for margin, deal_id, row in found[:limit]
        )
        return MatchAnswer(matches, (), None, len(deals), admitted)

    def plan(
        self,
        deals: Sequence[Mapping[str, Any]],
        pool: InvestorPool,
        *,
        as_of: datetime,
        a_deal: int,
    ) -> PlanAnswer:
        """Return who is offered which of the deals, placed all at once; see ``offers.plan``."""
        from hki_ml.models.investor_matching.offers import plan

        return plan(self, deals, pool, as_of=as_of, a_deal=a_deal)

    def candidates(
        self, said: Mapping[str, Any], pool: InvestorPool, *, as_of: datetime
    ) -> Candidates:
        """Return those who could be offered a deal."""
        deal = Deal.of(said)
        fits = ~broken(pool, deal).any(axis=0) & ~pool.opted_out
        rows, table, margin = self._ranked(deal, pool, fits, self._likely(pool, deal), as_of)
        has_room = table[:, LEFT] >= 1
        has_room |= np.isnan(table[:, LEFT])
        admitted = int(fits.sum()) - int((~has_room).sum())
        return Candidates(rows[has_room], table[has_room], margin[has_room], admitted)

    def reasons(self, row: FloatArray) -> tuple[tuple[Reason, ...], float]:
        """Return why a row of the matrix has its log-odds, and the typical pair's; they add up."""
        return self._explainer.explain(self.matcher, row)

    def _ranked(
        self, deal: Deal, pool: InvestorPool, fits: BoolArray, likely: FloatArray, as_of: datetime
    ) -> tuple[IntArray, FloatArray, FloatArray]:
        rows = _best(likely, fits, RANKED)
        table = self._table(deal, pool, rows, as_of)
        return rows, table, self.matcher.margin(table)

    def _table(self, deal: Deal, pool: InvestorPool, rows: IntArray, as_of: datetime) -> FloatArray:
        ready = self._made_ready(pool)
        taste = ready.vectors[rows] @ self.matcher.factors.place(deal)
        now = np.full(len(rows), as_of.timestamp())
        return pair_features(deal, pool, rows, now, self.matcher.habits, taste)

    def _made_ready(self, pool: InvestorPool) -> _Ready:
        found = self._ready.get(pool)
        if found is None:
            rate = np.clip(
                np.nan_to_num(pool.numbers["investor_response_rate"], nan=0.2), 0.01, 0.99
            )
            vectors = self.matcher.factors.of_pool(pool.ids)
            found = _Ready(vectors, np.log(rate) - np.log1p(-rate))
            self._ready[pool] = found
        return found

    def _likely(self, pool: InvestorPool, deal: Deal) -> FloatArray:
        ready = self._made_ready(pool)
        found: FloatArray = ready.habit + 3.0 * (ready.vectors @ self.matcher.factors.place(deal))
        return found

    def _match(
        self, pool: InvestorPool, at: int, row: FloatArray, margin: float, deal: str | None = None
    ) -> Match:
        reasons, reference = self._explainer.explain(self.matcher, row)
        probability = _probability(margin)
        return Match(
            str(pool.ids[at]), 100 * probability, probability, reasons, reference, deal or None
        )

    def _alternatives(
        self, deal: Deal, pool: InvestorPool, rules: BoolArray, likely: FloatArray, as_of: datetime
    ) -> tuple[Alternative, ...]:
        """Return the best of those that one rule or two keep out."""
        count = rules.sum(axis=0)
        near = (count > 0) & (count <= 2) & ~pool.opted_out
        rows = _best(likely, near, NEARLY)
        if not len(rows):
            return ()
        margin = self.matcher.margin(self._table(deal, pool, rows, as_of))
        order = np.lexsort((rows, -margin))[:ALTERNATIVES]
        return tuple(
            Alternative(
                str(pool.ids[rows[i]]), 100 * _probability(margin[i]),
                would_admit(pool, deal, int(rows[i]), rules[:, rows[i]]),
            )
            for i in order
        )  # fmt: skip

    def _why_not(
        self, name: str, deal: Deal, pool: InvestorPool, rules: BoolArray,
        ranked: tuple[IntArray, datetime],
    ) -> WhyNot:  # fmt: skip
        at = self._place(pool, name)
        if pool.opted_out[at]:
            return WhyNot(name, admitted=False, reasons=("they opted out",), score=None, rank=None)
        order, as_of = ranked
        row = self._table(deal, pool, np.array([at]), as_of)
        score = 100 * _probability(self.matcher.margin(row)[0])
        reasons = tuple(f"it needs {t}" for t in would_admit(pool, deal, at, rules[:, at]))
        if row[0, LEFT] < 1:
            bought = row[0, NAMES.index("capacity_buys_month")]
            reasons += (f"they bought {bought:.0f} this month, as many as they can",)
        if reasons:
            return WhyNot(name, admitted=False, reasons=reasons, score=score, rank=None)
        place = np.flatnonzero(order == at)
        rank = int(place[0]) + 1 if len(place) else None
        told, _ = self._explainer.explain(self.matcher, row[0])
        against = tuple(f"{r.factor}: {r.text}" for r in told if r.log_odds < 0)[:3]
        return WhyNot(name, admitted=True, reasons=against, score=score, rank=rank)

    @staticmethod
    def _place(pool: InvestorPool, name: str) -> int:
        at = pool.place.get(name)
        if at is None:
            raise NotFound(f"expected an investor that is known, got {name!r}")
        return at


def _best(likely: FloatArray, among: BoolArray, most: int) -> IntArray:
    """Return the places of the highest values, at most so many, in order of place."""
    places = np.flatnonzero(among)
    if len(places) > most:
        places = np.sort(places[np.argpartition(-likely[places], most)[:most]])
    return places


def _probability(margin: float) -> float:
    return float(1 / (1 + np.exp(-margin)))


def load(folder: Path, version: str) -> InvestorMatcher:
    """Return the matcher in a folder, verified and warmed.

    Raises
    ------
    ArtifactRefused
        If the folder does not hold what its manifest says.
    """
    from hki_ml.models.investor_matching.artifact import load as load_matcher

    matcher = InvestorMatcher(load_matcher(folder), version=version)
    matcher.matcher.margin(matcher.matcher.typical[None, :])
    matcher._explainer.explain(matcher.matcher, matcher.matcher.typical)  # noqa: SLF001
    return matcher
