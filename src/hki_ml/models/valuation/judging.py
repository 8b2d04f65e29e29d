"""What test sales say of values: figures overall, by area and by price tier, and how many got an estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.intervals import LEVELS
from hki_ml.metrics import ratio
from hki_ml.metrics.interval import Measure, bootstrap, coverage, median_width, share_interval
from hki_ml.metrics.table import Figure, Row
from hki_ml.models.valuation.appraiser import FEWEST_COMPARABLES, HIGHEST_FSD
from hki_ml.models.valuation.homes import FloatArray, IntArray

BoolArray = NDArray[np.bool_]
MEASURES: Mapping[str, Measure] = {
    "MAPE": ratio.mape,
    "MdAPE": ratio.mdape,
    "PPE5": lambda p, v: ratio.ppe(p, v, within=0.05),
    "PPE10": ratio.ppe,
    "PPE20": lambda p, v: ratio.ppe(p, v, within=0.20),
    "R2": ratio.r2,
    "FSD": ratio.fsd,
    "COD": ratio.cod,
    "PRD": ratio.prd,
    "PRB": ratio.prb,
}
SHORT = ("MAPE", "MdAPE", "PPE10", "COD")
FEWEST_IN_AREA = 30
TIERS = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """Test sales with what was said of them: price, value and half widths (log) by level.

    ``hit`` marks those that would have got an estimate.
    """

    price: FloatArray
    value: FloatArray
    reach: FloatArray
    area: NDArray[np.object_]
    hit: BoolArray

    def take(self, rows: BoolArray) -> Judged:
        """Return the sales at ``rows``."""
        return Judged(*(getattr(self, f.name)[rows] for f in fields(self)))


def has_estimate(reach: FloatArray, alike: IntArray) -> BoolArray:
    """Return where the appraiser would give an estimate, by spread and number of comparables.

    What else forbids one (facts that are wanting, a place far from all sales) counts as a hit here.
    """
    fsd = np.sinh(reach[:, 0])
    return np.asarray((fsd <= HIGHEST_FSD) & (alike >= FEWEST_COMPARABLES), dtype=bool)


def full_row(name: str, said: Judged, *, seed: int) -> Row:
    """Return every measure with its 95 % interval, coverage, widths and hit rate."""
    figures = {**_with_intervals(said, seed), **_coverage(said), "hit rate": _hit_rate(said)}
    return Row(name, len(said.price), figures)


def area_rows(said: Judged) -> list[Row]:
    """Return a row an area with at least `FEWEST_IN_AREA` sales."""
    labels = np.array(["" if a is None else str(a) for a in said.area])
    names, counts = np.unique(labels, return_counts=True)
    return [_row(str(name), said.take(labels == name)) for name in names[counts >= FEWEST_IN_AREA]]


def tier_rows(said: Judged) -> list[Row]:
    """Return a row a fifth of the sales by value."""
    edges = np.quantile(said.value, np.linspace(0, 1, TIERS + 1))
    tier = np.clip(np.searchsorted(edges, said.value, side="right") - 1, 0, TIERS - 1)
    return [_row(f"tier {t + 1}", said.take(tier == t)) for t in range(TIERS) if (tier == t).any()]


def _hit_rate(said: Judged) -> Figure:
    share = float(100 * said.hit.mean())
    return Figure(share, *share_interval(share, len(said.hit)))


def _row(name: str, said: Judged) -> Row:
    figures = {k: Figure(MEASURES[k](said.price, said.value)) for k in SHORT}
    return Row(name, len(said.price), {**figures, **_coverage(said), "hit rate": _hit_rate(said)})


def _with_intervals(said: Judged, seed: int) -> dict[str, Figure]:
    out: dict[str, Figure] = {}
    for name, measure in MEASURES.items():
        low, high = bootstrap(measure, said.price, said.value, seed=seed)
        out[name] = Figure(measure(said.price, said.value), low, high)
    return out


def _coverage(said: Judged) -> dict[str, Figure]:
    out: dict[str, Figure] = {}
    for j, level in enumerate(LEVELS):
        low, high = said.value * np.exp(-said.reach[:, j]), said.value * np.exp(said.reach[:, j])
        share = coverage(said.price, low, high)
        name = round(100 * level)
        out[f"cover{name}"] = Figure(share, *share_interval(share, len(said.price)))
        out[f"width{name}"] = Figure(median_width(said.value, low, high))
    return out
