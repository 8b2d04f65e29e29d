"""From members to a value with honest intervals: weights, de-biasing, spread, all learned on later sales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np

from hki_ml.learning.encoding import keys
from hki_ml.learning.intervals import Outcomes
from hki_ml.learning.packed_trees import PackedTrees, pack_lightgbm
from hki_ml.metrics.ratio import prb
from hki_ml.models.valuation.core import Core, SaleBook
from hki_ml.models.valuation.ensemble import fit_weights
from hki_ml.models.valuation.features import View
from hki_ml.models.valuation.homes import FloatArray, Homes, IntArray
from hki_ml.models.valuation.market import month_number

_MONTH = 30.4375
_FLOOR = 0.01  # log; below one percent an error is noise of the price itself
# Few homes are this much dearer (log) than an ordinary one, yet they make most of the bias over price:
# to stretch them alone costs the others nothing. The dearest of all are too few to be stretched on.
_DEAR = 0.5
_STRETCHED = 0.5
_MOST_STRETCH = 0.15


@dataclass(frozen=True, slots=True)
class Blend:
    """How members become one value.

    Attributes
    ----------
    weights
        Non-negative, sum to one, in the order of `ensemble.MEMBERS`.
    offsets
        Added to each member (log price): what it missed on later sales, shrunk.
    pivot, stretch
        What lies from ``pivot`` to half a log further above the market's level at the time is
        stretched, so that dear homes are not valued too low (vertical equity, IAAO 2013 section 5.6).
    """

    weights: FloatArray
    offsets: FloatArray
    pivot: float
    stretch: float

    def log_value(self, base: FloatArray, members: FloatArray, level: FloatArray) -> FloatArray:
        """Return log value, shape ``(n,)``; ``level`` is `View.level`."""
        out = base.copy()
        for j in range(len(self.weights)):
            out += self.weights[j] * (members[:, j] + self.offsets[j])
        return out + self.stretch * _above(out - level, self.pivot)


@dataclass(frozen=True, slots=True)
class Seen:
    """Later sales as the core saw them before they came: rows of the book, base, members, spread inputs.

    ``comparables`` is what they say together, ``alike`` how many there are.
    """

    rows: IntArray
    base: FloatArray
    members: FloatArray
    level: FloatArray
    inputs: FloatArray
    comparables: FloatArray
    alike: IntArray

    def take(self, order: IntArray) -> Seen:
        """Return what was seen of the sales at ``order``."""
        return Seen(*(getattr(self, f.name)[order] for f in fields(self)))

    @classmethod
    def joined(cls, parts: list[Seen]) -> Seen:
        """Return what was seen step by step as one."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


def spread_inputs(view: View, members: FloatArray) -> FloatArray:
    """Return what tells how far off a value may be: features, disagreement of members, price level.

    The forest has no say in it, so that it need not be asked where it has no weight.
    """
    boosted, network = members[:, 0], members[:, 2]
    return np.column_stack([
        view.table, 0.5 * np.abs(boosted - network), view.base + 0.5 * (boosted + network),
    ])  # fmt: skip


def see(core: Core, homes: Homes, rows: IntArray, *, before: IntArray) -> Seen:
    """Let the core see some homes."""
    view = core.look(homes.take(rows), before=before[rows])
    members = core.ensemble.members(view)
    said = view.table[:, view.names.index("alike_mean")]
    return Seen(
        rows,
        view.base,
        members,
        view.level,
        spread_inputs(view, members),
        np.nan_to_num(said),
        (view.found.rows >= 0).sum(axis=1),
    )


def steps(day: IntArray, *, step_days: int | None) -> Iterator[IntArray]:
    """Yield rows in order of time, by calendar month or by spans of ``step_days``."""
    label = month_number(day) if step_days is None else day // step_days
    for value in np.unique(label):
        yield np.flatnonzero(label == value)


def walk(
    core: Core, later: SaleBook, *, step_days: int | None = None, lag_days: int = 0
) -> Iterator[tuple[int, Seen]]:
    """See later sales as production would: frozen model, evidence and index as known at the time.

    Yields the first day of each step and what was seen in it. A sale counts as known ``lag_days``
    after its day, and never on its own day.
    """
    day = later.homes.day
    full = core.with_sales(later)
    for rows in steps(day, step_days=step_days):
        start = int(day[rows].min())
        yield start, see(full.as_of(start - lag_days), later.homes, rows, before=day - lag_days)


def frozen(core: Core, later: SaleBook) -> Seen:
    """See later sales by what was known when the core was learned, and nothing since."""
    day = later.homes.day
    return see(core, later.homes, np.arange(len(later)), before=day)


def fit_blend(seen: Seen, truth: FloatArray) -> Blend:
    """Learn weights, offsets and stretch on later sales."""
    gaps = truth[:, None] - seen.base[:, None] - seen.members
    offsets = np.median(gaps, axis=0)
    weights = fit_weights(seen.members + offsets, truth - seen.base)
    # What all members missed is where the market went since; half of it may come again.
    offsets = offsets - 0.5 * float(weights @ offsets)
    pivot = float(np.median(truth - seen.level)) + _DEAR
    plain = Blend(weights, offsets, pivot, 0.0)
    value = plain.log_value(seen.base, seen.members, seen.level)
    stretch = _stretch(value, _above(value - seen.level, pivot), truth)
    return Blend(weights, offsets, pivot, stretch * len(truth) / (len(truth) + 500.0))


def _above(height: FloatArray, pivot: float) -> FloatArray:
    """Return the part of each height (log, over the market's level) that is stretched."""
    return np.clip(height - pivot, 0.0, _STRETCHED)


def _stretch(value: FloatArray, above: FloatArray, truth: FloatArray) -> float:
    """Return the least stretch up to `_MOST_STRETCH` that leaves a price-related bias of at most a hundredth.

    Not zero: the last of the bias is bought with more error than it is worth.
    """
    for tried in np.linspace(0.0, _MOST_STRETCH, 41):
        if prb(np.exp(truth), np.exp(value + tried * above)) >= -0.01:
            return float(tried)
    return _MOST_STRETCH


def fit_spread(inputs: FloatArray, error: FloatArray, *, seed: int, threads: int) -> PackedTrees:
    """Learn the log of the expected absolute error."""
    import lightgbm

    settings = {
        "objective": "l2", "learning_rate": 0.05, "num_leaves": 8, "feature_fraction": 0.5,
        "min_data_in_leaf": max(20, len(error) // 50), "bagging_fraction": 0.8, "bagging_freq": 1,
        "lambda_l2": 10.0, "num_threads": threads, "seed": seed, "deterministic": True,
        "force_row_wise": True, "verbose": -1,
    }  # fmt: skip
    rows = lightgbm.Dataset(inputs, np.log(error + _FLOOR), params={"verbose": -1})
    return pack_lightgbm(lightgbm.train(settings, rows, 80))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What later sales taught about values and their errors.

    ``aging`` is how much wider intervals grow a month when nothing new is known; ``errors`` are the
    absolute errors (log) behind the first outcomes, for comparison with plain split conformal.
    """

    blend: Blend
    spread: PackedTrees
    outcomes: Outcomes
    errors: FloatArray
    aging: float

    def spreads(self, inputs: FloatArray) -> FloatArray:
        """Return the expected absolute error (log price), shape ``(n,)``."""
        return np.exp(self.spread.predict(inputs))

    def judge(self, seen: Seen, later: SaleBook, reach: FloatArray | None = None) -> Outcomes:
        """Return outcomes of what was seen, now that the prices are known.

        ``reach`` are the half widths (log) that had been given, shape ``(n, levels)``.
        """
        value = self.blend.log_value(seen.base, seen.members, seen.level)
        error = later.log_price[seen.rows] - value
        group = keys(later.homes.category("area")[seen.rows])
        told = Outcomes.unjudged(
            error / self.spreads(seen.inputs), later.homes.day[seen.rows], group
        )
        return (
            told
            if reach is None
            else replace(told, missed=(np.abs(error)[:, None] > reach).astype(np.float64))
        )


def calibrate(core: Core, later: SaleBook, *, seed: int, threads: int) -> Calibration:
    """Calibrate a core on sales after those it learned from."""
    seen = Seen.joined([s for _, s in walk(core, later)])
    truth = later.log_price[seen.rows]
    blend = fit_blend(seen, truth)
    signed = truth - blend.log_value(seen.base, seen.members, seen.level)
    error = np.abs(signed)
    # Scores come from spreads that did not learn from the same sale: two random halves.
    half = np.random.default_rng(seed).random(len(error)) < 0.5
    score = np.empty(len(error))  # with its sign
    for mine in (half, ~half):
        other = fit_spread(seen.inputs[~mine], error[~mine], seed=seed, threads=threads)
        score[mine] = signed[mine] / np.exp(other.predict(seen.inputs[mine]))
    group = keys(later.homes.category("area")[seen.rows])
    outcomes = Outcomes.unjudged(score, later.homes.day[seen.rows], group)
    spread = fit_spread(seen.inputs, error, seed=seed, threads=threads)
    calibration = Calibration(blend, spread, outcomes, error, 0.0)
    return replace(calibration, aging=_aging(calibration, core, later, seen))


def _aging(calibration: Calibration, core: Core, later: SaleBook, fresh: Seen) -> float:
    """Return the growth of errors a month when nothing new is known, from the same sales seen twice.

    Half of what was seen, 3 % at most: one stretch of time is a single draw of what a market may do.
    """
    old = calibration.judge(frozen(core, later), later).score
    new = calibration.judge(fresh, later).score
    months = float(np.mean(later.homes.day - core.evidence.until)) / _MONTH
    grown = np.quantile(old, 0.8) / max(float(np.quantile(new, 0.8)), 1e-9) - 1.0
    return float(np.clip(0.5 * grown / max(months, 0.5), 0.0, 0.03))


def last_stretch(day: IntArray) -> int:
    """Return the first day of the sales kept back for calibration.

    The latest fifth of the time, half a year at most, but at least 5 % and at most 35 % of the sales.
    """
    span = int(day.max() - day.min()) + 1
    wanted = int(day.max()) + 1 - min(max(span // 5, 1), 183)
    ordered = np.sort(day)
    latest = int(ordered[int(len(day) * 0.95)])
    earliest = int(ordered[int(len(day) * 0.65)])
    return int(np.clip(wanted, earliest, latest))
