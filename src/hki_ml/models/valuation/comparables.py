"""The comparables kernel: the most similar strictly earlier sales, and what they say together.

One definition serves training, batches and a single request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled
from hki_ml.models.valuation.evidence import Evidence, axes, category_keys, place_axes
from hki_ml.models.valuation.homes import FloatArray, Homes, IntArray

ALIKE = 24
NEAR = 48
SUMMARY = (
    "mean4",
    "mean10",
    "mean",
    "median",
    "sd",
    "first",
    "closest",
    "farthest",
    "km",
    "months",
)
PAIR_WIDTH_BASE = 5


@dataclass(frozen=True, slots=True)
class Found:
    """Earlier sales beside each home, nearest first: rows of the evidence and squared distances."""

    rows: IntArray
    far: FloatArray


@dataclass(frozen=True, slots=True)
class Subject:
    """Homes as the kernel sees them: place (km), effects of facts, keys, and the day to look back from."""

    place: FloatArray
    effects: FloatArray
    keys: IntArray
    day: IntArray
    before: IntArray


def subject(evidence: Evidence, homes: Homes, effects: FloatArray, *, before: IntArray) -> Subject:
    """Return homes as the kernel sees them; nobody looks past what the evidence holds."""
    return Subject(
        evidence.geography.place(homes), effects, category_keys(homes), homes.day,
        np.minimum(np.minimum(before, homes.day), evidence.until),
    )  # fmt: skip


def find_alike(evidence: Evidence, of: Subject, *, count: int = ALIKE) -> Found:
    """Return the sales nearest in place, facts and time together."""
    points = axes(evidence.metric, of.place, of.effects, of.before)
    return Found(*evidence.alike.nearest(points, of.keys, of.before, count=count))


def find_near(evidence: Evidence, of: Subject, *, count: int = NEAR) -> Found:
    """Return the sales nearest in place and time, whatever the homes are like."""
    points = place_axes(evidence.metric, of.place, of.before)
    return Found(*evidence.near.nearest(points, of.keys, of.before, count=count))


Seek = Callable[[Evidence, Subject], tuple[Found, Found]]
"""How earlier sales are sought: returns those most like each home, and those nearest to it."""


def find(evidence: Evidence, of: Subject) -> tuple[Found, Found]:
    """Return the sales most like each home, and those nearest to it."""
    return find_alike(evidence, of), find_near(evidence, of)


def summary(evidence: Evidence, of: Subject, found: Found) -> FloatArray:
    """Return what the found sales say, shape ``(n, len(SUMMARY))``; NaN where there are none.

    Residuals are log price against index and facts; distances in the metric's units, km and months.
    """
    return _summarise(
        found.rows,
        found.far,
        evidence.residual,
        evidence.place,
        evidence.homes.day,
        of.place,
        of.day,
    )


def weights(far: FloatArray) -> FloatArray:
    """Return the weight of each comparable, summing to one a row (zero where there is none)."""
    out = np.zeros_like(far)
    for i in range(len(far)):
        out[i] = _kernel(far[i])
        total = out[i].sum()
        if total > 0:
            out[i] /= total
    return out


@compiled
def _kernel(far: FloatArray) -> FloatArray:
    """Weigh by squared distance; the 12th neighbour sets the bandwidth."""
    last = min(len(far), 12) - 1
    while last > 0 and not np.isfinite(far[last]):
        last -= 1
    width = max(far[last], 1e-6)
    out = np.zeros(len(far))
    for k in range(len(far)):
        if np.isfinite(far[k]):
            out[k] = np.exp((far[0] - far[k]) / width)
    return out


@compiled
def _summarise(  # noqa: C901 - one loop; numba inlines no closures
    rows: IntArray, far: FloatArray, residual: FloatArray, sale_place: FloatArray,
    sale_day: IntArray, place: FloatArray, day: IntArray,
) -> FloatArray:  # fmt: skip
    n, count = rows.shape
    out = np.full((n, 10), np.nan)
    for i in range(n):
        filled = 0
        while filled < count and rows[i, filled] >= 0:
            filled += 1
        if filled == 0:
            continue
        w = _kernel(far[i])
        total, weight, km, months = 0.0, 0.0, 0.0, 0.0
        values = np.empty(filled)
        for k in range(filled):
            row = rows[i, k]
            values[k] = residual[row]
            total += w[k] * values[k]
            weight += w[k]
            if k < 8:
                dx = sale_place[row, 0] - place[i, 0]
                dy = sale_place[row, 1] - place[i, 1]
                km += np.sqrt(dx * dx + dy * dy)
            months += (day[i] - sale_day[row]) / 30.4375
            if k == 3:
                out[i, 0] = total / weight
            if k == 9:
                out[i, 1] = total / weight
        mean = total / weight
        out[i, 2] = mean
        if filled < 4:
            out[i, 0] = mean
        if filled < 10:
            out[i, 1] = mean
        out[i, 3] = np.median(values)
        spread = 0.0
        for k in range(filled):
            spread += w[k] * (values[k] - mean) ** 2
        out[i, 4] = np.sqrt(spread / weight)
        out[i, 5] = values[0]
        out[i, 6] = np.sqrt(far[i, 0])
        out[i, 7] = np.sqrt(far[i, filled - 1])
        out[i, 8] = km / min(filled, 8)
        out[i, 9] = months / filled
    return out


def pairs(evidence: Evidence, of: Subject, found: Found) -> NDArray[np.float32]:
    """Return how each home differs from each of its comparables, for the network's attention.

    Shape ``(n, count, 5 + 2 facts)``: log kilometres, metric distance, years, log months, same area,
    then differences and absolute differences of what the compared facts are worth.
    """
    facts = np.array(evidence.metric.facts, dtype=np.int64)
    return _pairs(
        found.rows, found.far, facts, evidence.effects, evidence.place, evidence.homes.day,
        evidence.alike.keys, of.effects, of.place, of.day, of.keys,
    )  # fmt: skip


@compiled
def _pairs(  # noqa: PLR0913, PLR0917 - flat arrays are what numba compiles best
    rows: IntArray, far: FloatArray, facts: IntArray, sale_effects: FloatArray,
    sale_place: FloatArray, sale_day: IntArray, sale_keys: IntArray, effects: FloatArray,
    place: FloatArray, day: IntArray, keys: IntArray,
) -> NDArray[np.float32]:  # fmt: skip
    n, count = rows.shape
    m = len(facts)
    out = np.zeros((n, count, 5 + 2 * m), np.float32)
    for i in range(n):
        for k in range(count):
            row = rows[i, k]
            if row < 0:
                break
            dx = sale_place[row, 0] - place[i, 0]
            dy = sale_place[row, 1] - place[i, 1]
            since = float(day[i] - sale_day[row])
            out[i, k, 0] = np.log1p(10.0 * np.sqrt(dx * dx + dy * dy))
            out[i, k, 1] = min(np.sqrt(far[i, k]), 8.0)
            out[i, k, 2] = min(since / 365.25, 8.0)
            out[i, k, 3] = np.log1p(since / 30.4375)
            out[i, k, 4] = 1.0 if sale_keys[row, 0] == keys[i, 0] else 0.0
            for j in range(m):
                gap = 5.0 * (sale_effects[row, facts[j]] - effects[i, facts[j]])
                gap = min(max(gap, -8.0), 8.0)
                out[i, k, 5 + j] = gap
                out[i, k, 5 + m + j] = abs(gap)
    return out
