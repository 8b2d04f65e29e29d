"""The features of leads as one matrix of numbers, the same for every model that looks at leads.

Numbers stand as they are, NaN for unknown. A category becomes the log of how often its leads closed
against how often leads of the same days did, shrunk (gamma-Poisson empirical Bayes; Clayton and Kaldor
1987, "Empirical Bayes estimates of age-standardized relative risks"). Against the same days, because a
level that was common in a good year is not therefore a good level. For a row that teaches only outcomes
known strictly before its moment count, else its own end would stand among its features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_features import factor_of
from hki_ml.learning.matured import Matured, microseconds

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MISSING = ""
"""The level of leads of which a category is not known."""
WEAKEST, STRONGEST = 1.0, 200.0  # expected closings that the prior may be worth
SEASON = 90 * 86_400 * 1_000_000  # microseconds


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """How often leads of each level of one category closed, against leads of the same days.

    Attributes
    ----------
    strength
        Expected closings that the prior (as often as all) is worth.
    log_ratio
        Level → shrunk log of closings over expected closings; a level not in here has 0.
    count
        Level → leads that say so.
    """

    strength: float
    log_ratio: Mapping[str, float]
    count: Mapping[str, int]

    def of(self, levels: Sequence[Any] | NDArray[Any]) -> FloatArray:
        """Return the log ratio of each level, 0 where it is not known, shape ``(n,)``."""
        known = self.log_ratio
        return np.array([known.get(_level(value), 0.0) for value in levels], np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class LeadMatrix:
    """Which columns a matrix of leads has, and what its categories are worth as of training.

    Attributes
    ----------
    names
        Columns of the matrix, named as the features they are made of.
    rates
        Category → its rates; every other column is a number.
    """

    names: tuple[str, ...]
    rates: Mapping[str, Rates]

    @property
    def factors(self) -> tuple[str, ...]:
        """The business factor of each column."""
        return tuple(factor_of(name) for name in self.names)

    def table(self, features: Mapping[str, Any] | pd.DataFrame) -> FloatArray:
        """Return features of ``n`` leads (columns of shape ``(n,)``) as a matrix, by rates of training.

        A column that is not there is unknown for all; text where a number was learned is unknown.
        """
        count = len(next(iter(features.values()))) if isinstance(features, dict) else len(features)
        out = np.full((count, len(self.names)), np.nan)
        for at, name in enumerate(self.names):
            given = features.get(name)
            if name in self.rates:
                out[:, at] = self.rates[name].of([None] * count if given is None else list(given))
            elif given is not None:
                out[:, at] = _numbers(given)
        return out

    def row(self, features: Mapping[str, Any]) -> FloatArray:
        """Return one lead's features (``lead_features.feature_row``) as a matrix of one row."""
        out = np.full((1, len(self.names)), np.nan)
        for at, name in enumerate(self.names):
            value = features.get(name)
            rates = self.rates.get(name)
            if rates is not None:
                out[0, at] = rates.log_ratio.get(_level(value), 0.0)
            elif value is not None and not isinstance(value, str) and abs(value) < np.inf:
                out[0, at] = value
        return out

    def described(self) -> dict[str, Any]:
        """Return everything for a JSON file."""
        rates = {
            name: {
                "strength": r.strength,
                "log_ratio": dict(r.log_ratio),
                "count": dict(r.count),
            }
            for name, r in self.rates.items()
        }
        return {"names": list(self.names), "rates": rates}

    @classmethod
    def of_described(cls, stored: Mapping[str, Any]) -> LeadMatrix:
        """Return the matrix that ``described`` gave."""
        rates = {
            name: Rates(float(r["strength"]), dict(r["log_ratio"]), dict(r["count"]))
            for name, r in stored["rates"].items()
        }
        return cls(tuple(stored["names"]), rates)


def fit_matrix(
    features: pd.DataFrame, rows: pd.DataFrame, *, horizon_days: float
) -> tuple[LeadMatrix, FloatArray]:
    """Learn the rates of every category and return the matrix of the rows that teach.

    Parameters
    ----------
    features
        ``lead_features.feature_frame(rows)``.
    rows
        Rows of ``lead_labels.landmarks``, of any order; ends that are not known are not used.
    horizon_days
        Closings within it count; a lead counts once it is a week old, and again at 30 days and then.

    Returns
    -------
    The matrix as of training, and a row each of ``rows`` by what was known strictly before its
    ``event_timestamp``, shape ``(n, columns)``.
    """
    matured = Matured.of(rows, horizon_days=horizon_days)
    moment = microseconds(rows["event_timestamp"])
    rates: dict[str, Rates] = {}
    columns: list[FloatArray] = []
    for name in features.columns:
        values = features[name].to_numpy()
        if values.dtype == object:
            levels = np.array([_level(value) for value in values], object)
            rates[name], column = _time_ordered(levels, moment, matured)
        else:
            column = _numbers(values)
        columns.append(column)
    return LeadMatrix(tuple(map(str, features.columns)), rates), np.column_stack(columns)


def _time_ordered(
    levels: NDArray[Any], moment: IntArray, matured: Matured
) -> tuple[Rates, FloatArray]:
    """Return the rates as of training, and each row's log ratio by what was known before it."""
    code, names = pd.factorize(levels)
    book = _Book.of(code[matured.row], matured)
    every = np.arange(len(names), dtype=np.int64)
    at_last = np.full(len(names), np.iinfo(np.int64).max)
    closed, expected = book.before(every, at_last)
    count = np.bincount(code[matured.row[matured.first]], minlength=len(names))
    strength = _strength(closed, expected)
    final = _log_ratio(closed, expected, strength)
    known = {str(name): i for i, name in enumerate(names) if count[i]}
    rates = Rates(
        strength,
        {name: float(final[i]) for name, i in sorted(known.items())},
        {name: int(count[i]) for name, i in sorted(known.items())},
    )
    seasons, season = np.unique(moment // SEASON, return_inverse=True)
    # By the start of its season: a strength learned from all would let later ends into earlier rows.
    strengths = np.array([
        _strength(*book.before(every, np.full(len(names), s * SEASON))) for s in seasons
    ])  # fmt: skip
    return rates, _log_ratio(*book.before(code, moment), strengths[season])


@dataclass(frozen=True, slots=True, eq=False)
class _Book:
    """Closings of each level added up in order of time, to be read as of any moment."""

    times: IntArray
    place: IntArray
    closed: FloatArray
    expected: FloatArray
    surplus: FloatArray

    @classmethod
    def of(cls, code: IntArray, matured: Matured) -> _Book:
        times, rank = np.unique(matured.known_at, return_inverse=True)
        place = (code.astype(np.int64) << 32) | rank
        order = np.argsort(place, kind="stable")
        sums = [_running(v[order]) for v in (matured.closed, matured.expected)]
        whole = np.argsort(rank, kind="stable")
        until = np.searchsorted(rank[whole], np.arange(len(times) + 1))
        closed, expected = (_running(v[whole])[until] for v in (matured.closed, matured.expected))
        surplus = np.where(expected > 0, closed / np.maximum(expected, 1e-12), 1.0)
        return cls(times, place[order], sums[0], sums[1], surplus)

    def before(self, code: IntArray, moment: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return closings and expected closings of each level strictly before its moment.

        Expected ones are scaled so that all levels' together are the closings there were: what all
        leads have in common is no level's.
        """
        level = code.astype(np.int64) << 32
        until = np.searchsorted(self.times, moment)
        start, stop = np.searchsorted(self.place, level), np.searchsorted(self.place, level | until)
        closed = self.closed[stop] - self.closed[start]
        expected = self.expected[stop] - self.expected[start]
        return closed, expected * self.surplus[until]


def _running(values: FloatArray) -> FloatArray:
    return np.concatenate([[0.0], np.cumsum(values)])


def _log_ratio(
    closed: FloatArray, expected: FloatArray, strength: float | FloatArray
) -> FloatArray:
    return np.asarray(np.log((closed + strength) / (expected + strength)), np.float64)


def _strength(closed: FloatArray, expected: FloatArray) -> float:
    """Return how much the prior is worth: 1 over the variance of true ratios between levels.

    By the method of moments (DerSimonian and Laird 1986), as if closings were Poisson.
    """
    has = expected > 0
    weight, ratio = expected[has], closed[has] / expected[has]
    total = float(weight.sum())
    if len(weight) < 2:
        return STRONGEST
    spread = float(np.sum(weight * (ratio - 1) ** 2)) - (len(weight) - 1)
    variance = spread / (total - float(np.sum(weight**2)) / total)
    return float(np.clip(1 / variance, WEAKEST, STRONGEST)) if variance > 0 else STRONGEST


def _level(value: Any) -> str:
    return MISSING if value is None or value != value else str(value)  # noqa: PLR0124 - NaN


def _numbers(values: Any) -> FloatArray:
    array = np.asarray(values)
    if array.dtype == object:
        array = np.array([np.nan if v is None or isinstance(v, str) else v for v in array], float)
    array = array.astype(np.float64)
    return np.where(np.isfinite(array), array, np.nan)
