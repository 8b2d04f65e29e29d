"""Which sales may stand beside a home: the caller's pins, exclusions and limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hki_ml.errors import FactOutOfRange
from hki_ml.models.valuation.answer import ComparableChoice
from hki_ml.models.valuation.comparables import (
    ALIKE,
    NEAR,
    Found,
    Seek,
    find,
    find_alike,
    find_near,
)
from hki_ml.models.valuation.comparables import Subject as Seeker
from hki_ml.models.valuation.core import Core
from hki_ml.models.valuation.evidence import Evidence
from hki_ml.models.valuation.homes import FloatArray, IntArray

MONTH_DAYS = 30.4375
WIDER = 8  # times as many neighbours are looked at where limits may strike most of them


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice as rows of the evidence; it holds for row ``row`` of the homes that are looked at."""

    pinned: IntArray
    excluded: IntArray
    radius_km: float
    months: float
    row: int

    @classmethod
    def of(cls, core: Core, choice: ComparableChoice, *, row: int) -> Selection:
        """Return the choice in terms of the sales that a model knows.

        Raises
        ------
        FactOutOfRange
            If a pinned sale is not among them, or is excluded as well.
        """
        ids = core.book.sale_id
        for name in choice.pin:
            if name in choice.exclude:
                raise FactOutOfRange("/comparables/pin", f"{name!r} is pinned and excluded at once")
            if name not in ids:
                raise FactOutOfRange(
                    "/comparables/pin", f"expected the id of a known sale, got {name!r}"
                )
        return cls(
            np.flatnonzero(np.isin(ids, choice.pin)) if choice.pin else np.array([], np.int64),
            np.flatnonzero(np.isin(ids, choice.exclude))
            if choice.exclude
            else np.array([], np.int64),
            np.inf if choice.radius_km is None else choice.radius_km,
            np.inf if choice.months is None else choice.months,
            row,
        )

    @property
    def is_free(self) -> bool:
        """Whether nothing was chosen."""
        unlimited = np.isinf(self.radius_km) and np.isinf(self.months)
        return bool(unlimited) and not len(self.pinned) and not len(self.excluded)


def select(selection: Selection) -> Seek:
    """Return how to seek under a selection; where nothing was chosen, exactly as always."""
    if selection.is_free:
        return find

    def seek(evidence: Evidence, of: Seeker) -> tuple[Found, Found]:
        alike = find_alike(evidence, of, count=ALIKE * WIDER)
        near = find_near(evidence, of, count=NEAR + len(selection.excluded))
        return _chosen(evidence, of, alike, selection), _without(near, selection, NEAR)

    return seek


def _chosen(evidence: Evidence, of: Seeker, found: Found, selection: Selection) -> Found:
    rows, far = _first(found, ALIKE)
    mine, distance = found.rows[selection.row], found.far[selection.row]
    kept = (mine >= 0) & ~np.isin(mine, selection.excluded) & ~np.isin(mine, selection.pinned)
    kept &= _allowed(evidence, of, np.maximum(mine, 0), selection)
    before = of.before[selection.row]
    pinned = selection.pinned[evidence.homes.day[selection.pinned] < before]
    # Who pins a sale holds it to be as comparable as the most comparable one.
    closest = distance[kept].min() if kept.any() else 0.0
    chosen = np.concatenate([pinned, mine[kept]])[:ALIKE]
    apart = np.concatenate([np.full(len(pinned), closest), distance[kept]])[:ALIKE]
    rows[selection.row], far[selection.row] = -1, np.inf
    rows[selection.row, : len(chosen)], far[selection.row, : len(chosen)] = chosen, apart
    return Found(rows, far)


def _allowed(
    evidence: Evidence, of: Seeker, rows: IntArray, selection: Selection
) -> NDArray[np.bool_]:
    gap: FloatArray = evidence.place[rows] - of.place[selection.row]
    months = (of.day[selection.row] - evidence.homes.day[rows]) / MONTH_DAYS
    allowed: NDArray[np.bool_] = np.hypot(gap[:, 0], gap[:, 1]) <= selection.radius_km
    recent: NDArray[np.bool_] = months <= selection.months
    return np.logical_and(allowed, recent)


def _without(found: Found, selection: Selection, count: int) -> Found:
    rows, far = _first(found, count)
    kept = ~np.isin(found.rows[selection.row], selection.excluded)
    rows[selection.row] = found.rows[selection.row][kept][:count]
    far[selection.row] = found.far[selection.row][kept][:count]
    return Found(rows, far)


def _first(found: Found, count: int) -> tuple[IntArray, FloatArray]:
    return found.rows[:, :count].copy(), found.far[:, :count].copy()
