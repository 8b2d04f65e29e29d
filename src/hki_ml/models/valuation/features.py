"""What the models see of a home as of a day: its facts, its place, and what earlier sales say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.encoding import keys
from hki_ml.models.valuation.comparables import (
    SUMMARY,
    Found,
    Seek,
    Subject,
    find,
    pairs,
    subject,
    summary,
)
from hki_ml.models.valuation.evidence import Evidence, total_effect, twin_keys
from hki_ml.models.valuation.hedonic import Hedonic, fact_values
from hki_ml.models.valuation.homes import FloatArray, Homes, IntArray
from hki_ml.models.valuation.market import MarketIndex

_TWO_YEARS = 730.0
_QUARTER = 91.0


@dataclass(frozen=True, slots=True)
class View:
    """Homes as the members see them.

    Attributes
    ----------
    table
        Features, shape ``(n, len(names))``; NaN where a thing is not known.
    names
        The features' names, in the order of the columns.
    base
        Log price by level, index and facts alone, to which members add; shape ``(n,)``.
    area
        Key of the area, for the network's embedding, shape ``(n,)``.
    pair, pair_residual, found
        Comparables for the network's attention: differences, residuals, and which sales they are.
    """

    table: FloatArray
    names: tuple[str, ...]
    base: FloatArray
    area: IntArray
    pair: NDArray[np.float32]
    pair_residual: FloatArray
    found: Found

    def __len__(self) -> int:
        return len(self.base)

    def take(self, rows: IntArray) -> View:
        """Return the homes at ``rows``."""
        return View(
            self.table[rows], self.names, self.base[rows], self.area[rows], self.pair[rows],
            self.pair_residual[rows], Found(self.found.rows[rows], self.found.far[rows]),
        )  # fmt: skip

    @property
    def level(self) -> FloatArray:
        """Return the log price of an ordinary home in this market at this time, shape ``(n,)``."""
        return self.base - self.table[:, self.names.index("facts_total")]


def look(
    homes: Homes,
    *,
    hedonic: Hedonic,
    market: MarketIndex,
    evidence: Evidence,
    before: IntArray | None = None,
    seek: Seek = find,
) -> View:
    """See homes as of their day, by sales strictly before ``before`` (default: that day).

    The cost is ``n log m`` for ``n`` homes and ``m`` known sales.
    """
    effects = hedonic.effects(homes)
    of = subject(evidence, homes, effects, before=homes.day if before is None else before)
    alike, near = seek(evidence, of)
    columns: dict[str, FloatArray] = {}
    _add_facts(columns, homes, hedonic, effects)
    _add_place(columns, of, evidence)
    _add_ledgers(columns, homes, evidence, of.before)
    for name, found in (("alike", alike), ("near", near)):
        said = summary(evidence, of, found)
        columns.update({f"{name}_{what}": said[:, j] for j, what in enumerate(SUMMARY)})
    base = hedonic.level + market.at(homes.day, homes.category("area")) + columns["facts_total"]
    residual = np.where(alike.rows >= 0, evidence.residual[np.maximum(alike.rows, 0)], 0.0)
    return View(
        np.column_stack(list(columns.values())), tuple(columns), base, of.keys[:, 0],
        pairs(evidence, of, alike), residual, alike,
    )  # fmt: skip


def _add_facts(
    columns: dict[str, FloatArray], homes: Homes, hedonic: Hedonic, effects: FloatArray
) -> None:
    for j, name in enumerate(hedonic.names):
        if name in hedonic.curves:
            columns[f"fact_{name}"] = fact_values(name, homes)
        else:
            columns[f"worth_{name}"] = effects[:, j]
    columns["worth_area"] = hedonic.effect("area", homes)
    columns["facts_total"] = total_effect(effects)


def _add_place(columns: dict[str, FloatArray], of: Subject, evidence: Evidence) -> None:
    if not evidence.geography.is_located:
        return
    east, north = of.place[:, 0], of.place[:, 1]
    columns.update(
        place_east=east,
        place_north=north,
        place_northeast=east + north,
        place_southeast=east - north,
    )


def _add_ledgers(
    columns: dict[str, FloatArray], homes: Homes, evidence: Evidence, before: IntArray
) -> None:
    for name, ledger in evidence.ledgers.items():
        if name == "twin":
            key = twin_keys(homes)
            read = ledger.read(key, before, half_life_days=_TWO_YEARS, shrink=0.1)
            columns["twin_mean"] = np.where(read[:, 1] > 0, read[:, 0], np.nan)
            columns["twin_count"], columns["twin_last"] = read[:, 1], read[:, 2]
            columns["twin_months"] = read[:, 3]
            continue
        key = keys(homes.category(name))
        read = ledger.read(key, before, half_life_days=_TWO_YEARS, shrink=3.0)
        columns[f"past_{name}"] = read[:, 0]
        columns[f"past_{name}_count"] = read[:, 1]
        if name == "area":
            recent = ledger.read(key, before, half_life_days=_QUARTER, shrink=3.0)
            columns["pace_area"] = recent[:, 1] - read[:, 1]
