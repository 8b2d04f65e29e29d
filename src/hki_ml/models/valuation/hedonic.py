"""An additive model of log price: what each fact is worth, line by line, so that comparables reconcile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hki_ml.models.valuation.homes import FloatArray, Homes, IntArray

LOGGED = ("living_sqft", "lot_sqft", "units")
DATED = ("year_built", "year_renovated")
_MAX_LEVELS = 60
_MIN_ROWS = 5
_KNOTS = 8
_RIDGE = 3.0
_CHUNK = 32_768


def fact_values(name: str, homes: Homes) -> FloatArray:
    """Return a numeric fact on the scale it acts on: log of areas, years of age for years."""
    raw = homes.number(name)
    if name in LOGGED:
        return np.log(np.where(raw > 0, raw, np.nan))
    if name in DATED:
        # Age in years of 365.25 days, as of the day the home is seen.
        return 1970.0 + homes.day / 365.25 - raw
    return raw


@dataclass(frozen=True, slots=True)
class Curve:
    """A piecewise linear effect on log price: flat outside its knots, one value where missing."""

    knots: FloatArray
    values: FloatArray
    missing: float

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the effect of each value."""
        return np.where(np.isnan(x), self.missing, np.interp(x, self.knots, self.values))


@dataclass(frozen=True, slots=True)
class Hedonic:
    """What each fact adds to log price, given all others, area and month.

    Attributes
    ----------
    level
        Log price of a home whose effects are all zero.
    curves, levels
        Effects of numeric and of categorical facts, by name.
    fine
        Categories with too many levels for an effect each; ledgers carry them.
    scale
        Robust standard deviation of what is left (log price).
    """

    level: float
    curves: Mapping[str, Curve]
    levels: Mapping[str, Mapping[str, float]]
    fine: tuple[str, ...]
    scale: float

    @property
    def names(self) -> tuple[str, ...]:
        """Facts of the home itself (all but the area), in the order of `effects`."""
        return (*self.curves, *(n for n in self.levels if n != "area"))

    def effects(self, homes: Homes) -> FloatArray:
        """Return each fact's effect on log price, shape ``(n, len(names))``."""
        out = np.empty((len(homes), len(self.names)))
        for j, name in enumerate(self.names):
            out[:, j] = self.effect(name, homes)
        return out

    def effect(self, name: str, homes: Homes) -> FloatArray:
        """Return the effect of one fact, shape ``(n,)``; an unseen level has none."""
        if name in self.curves:
            return self.curves[name](fact_values(name, homes))
        table = self.levels.get(name, {})
        return np.array([table.get(v, 0.0) for v in homes.category(name)], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class HedonicFit:
    """The model, and of each training sale what month and area leave unexplained by facts.

    ``residual`` is log price less level and effects of facts and area, months left in; ``weight`` is
    Huber's, 1 for ordinary sales and less for odd ones.
    """

    model: Hedonic
    residual: FloatArray
    weight: FloatArray


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    knots: FloatArray | None
    levels: tuple[str, ...]

    @property
    def width(self) -> int:
        return len(self.levels) if self.knots is None else len(self.knots)


def _columns(  # noqa: C901 - two plain loops
    homes: Homes,
) -> tuple[list[_Column], tuple[str, ...]]:
    out: list[_Column] = []
    fine: list[str] = []
    for name in sorted(homes.numbers):
        if name in ("latitude", "longitude"):
            continue
        x = fact_values(name, homes)
        x = x[~np.isnan(x)]
        if len(x) < 20:
            continue
        knots = np.unique(np.quantile(x, np.linspace(0, 1, _KNOTS + 1)))
        if len(knots) == 1 and x.min() < x.max():
            knots = np.array([x.min(), x.max()])
        if len(knots) > 1:
            out.append(_Column(name, knots, ()))
    for name in sorted(homes.categories):
        seen = [v for v in homes.category(name) if v is not None]
        levels, counts = np.unique(np.array(seen, dtype=str), return_counts=True)
        # Areas keep an effect each however many: without it every other effect would carry location.
        if len(levels) > _MAX_LEVELS and name != "area":
            fine.append(name)
            continue
        kept = tuple(str(v) for v in levels[counts >= _MIN_ROWS])
        if len(kept) > (name != "area"):
            out.append(_Column(name, None, kept))
    return out, tuple(fine)


def _block(column: _Column, homes: Homes) -> NDArray[np.float32]:
    out = np.zeros((len(homes), column.width), np.float32)
    if column.knots is None:
        place = {v: i for i, v in enumerate(column.levels)}
        code = np.array([place.get(v, -1) for v in homes.category(column.name)])
        rows = np.flatnonzero(code >= 0)
        out[rows, code[rows]] = 1.0
        return out
    x = fact_values(column.name, homes)
    gone = np.isnan(x)
    low, high = column.knots[:-1], column.knots[1:]
    ramp = np.clip((np.nan_to_num(x)[:, None] - low) / (high - low), 0.0, 1.0)
    out[:, 0] = gone
    out[:, 1:] = np.where(gone[:, None], 0.0, ramp)
    return out


def _solve(
    columns: list[_Column], homes: Homes, month: IntArray, target: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    widths = sum(c.width for c in columns)
    months = int(month.max()) + 1
    size = widths + months
    ridge = np.append(np.full(widths, _RIDGE), np.full(months, 0.01))
    weight: FloatArray = np.ones(len(target))
    beta: FloatArray = np.zeros(size)
    residual = target
    scale = 1.0
    chunks = [slice(a, a + _CHUNK) for a in range(0, len(target), _CHUNK)]
    for _ in range(3):
        gram, moment = np.zeros((size, size)), np.zeros(size)
        for part in chunks:
            x = _design(columns, homes, month, part, size)
            xw = x * weight[part, None].astype(np.float32)
            gram += xw.T @ x
            moment += xw.T @ target[part]
        beta = np.linalg.solve(gram + np.diag(ridge), moment).astype(np.float64)
        fitted = np.concatenate([_design(columns, homes, month, p, size) @ beta for p in chunks])
        residual = target - fitted
        scale = max(1.4826 * float(np.median(np.abs(residual))), 1e-4)
        weight = np.minimum(1.0, 2.0 * scale / np.maximum(np.abs(residual), 1e-9))
    return beta, residual, weight, scale


def _design(
    columns: list[_Column], homes: Homes, month: IntArray, part: slice, size: int
) -> NDArray[np.float32]:
    rows = np.arange(len(homes))[part]
    some = homes.take(rows)
    x = np.zeros((len(rows), size), np.float32)
    at = 0
    for column in columns:
        x[:, at : at + column.width] = _block(column, some)
        at += column.width
    x[np.arange(len(rows)), at + month[part]] = 1.0
    return x


def fit_hedonic(homes: Homes, *, month: IntArray, log_price: FloatArray) -> HedonicFit:
    """Fit effects of facts, areas and months by ridge regression, robust to odd sales.

    Three rounds of Huber weights (turning point 2 robust standard deviations).
    """
    columns, fine = _columns(homes)
    level = float(np.median(log_price))
    beta, residual, weight, scale = _solve(columns, homes, month, log_price - level)
    curves: dict[str, Curve] = {}
    levels: dict[str, dict[str, float]] = {}
    at = 0
    for column in columns:
        part = beta[at : at + column.width]
        at += column.width
        if column.knots is None:
            levels[column.name] = dict(zip(column.levels, map(float, part), strict=True))
        else:
            values = np.append(0.0, np.cumsum(part[1:]))
            curves[column.name] = Curve(column.knots, values, float(part[0]))
    model = Hedonic(level, curves, levels, fine, scale)
    return HedonicFit(model, residual + beta[at:][month], weight)
