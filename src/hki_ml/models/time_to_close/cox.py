"""Cause-specific proportional hazards by stretch of time and stratum, taken out of lifelines as arrays."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.lead_labels import Ends
from hki_ml.models.time_to_close.curves import curves_of

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HORIZON_DAYS = 365.0
STATED_DAYS: tuple[float, ...] = (7.0, 14.0, 30.0, 60.0, 90.0, 120.0, 180.0)
CELLS = (
    160  # of at most 400; the error of a coarser grid is below .001 (benchmarks/survival_cox.py)
)
FEWEST_AT_RISK = 20  # later than this many are followed nothing is estimated
FEWEST_EVENTS = 30  # a stratum with fewer shares its neighbour's baseline
CAUSES = 2
LEAST_SPREAD = 0.1  # of a covariate's standard deviation, left within a stretch of time
TRACE_PER_DAY = 1e-14  # of closing, so that a stated probability can be met where nobody closed


@dataclass(frozen=True, slots=True)
class Terms:
    """What training chooses.

    Attributes
    ----------
    penalizer
        Ridge, on standardised covariates.
    breaks
        Days at which the effects may change: proportional within a stretch, not across.
    is_stratified
        Whether each stage has a baseline of its own.
    """

    penalizer: float = 0.01
    breaks: tuple[float, ...] = ()
    is_stratified: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Cox:
    """Everything that predicting needs.

    Attributes
    ----------
    grid
        Days at the end of each cell, shape ``(cells,)``.
    cell_segment
        Which stretch of time each cell lies in.
    baseline
        Hazard mass in each cell, shape ``(strata, causes, cells)``.
    coefficient
        Log hazard ratio of one standard deviation, shape ``(causes, segments, covariates)``.
    offset
        Of the log hazard, shape ``(causes, segments)``.
    covariance
        Of the coefficients, shape ``(causes, segments, covariates, covariates)``.
    reach_days
        How long leads were followed; later the hazard falls as 1 over the days.
    """

    grid: FloatArray
    cell_segment: IntArray
    baseline: FloatArray
    coefficient: FloatArray
    offset: FloatArray
    covariance: FloatArray
    reach_days: float

    def log_hazard(self, covariates: FloatArray) -> FloatArray:
        """Return the log hazard ratio to the baseline, shape ``(n, causes, segments)``."""
        product = np.einsum("nd,csd->ncs", covariates, self.coefficient)
        return np.ascontiguousarray(product + self.offset)

    def incidences(
        self, covariates: FloatArray, stratum: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return closed and lost by the end of each cell, each of shape ``(n, cells)``."""
        closed = np.empty((len(covariates), len(self.grid)))
        lost = np.empty_like(closed)
        log_hazard = self.log_hazard(covariates)
        curves_of(self.baseline, stratum, self.cell_segment, log_hazard, closed, lost)
        return closed, lost

    def at(self, curve: FloatArray, days: Sequence[float] | FloatArray) -> FloatArray:
        """Return curves of shape ``(n, cells)`` at some days, on straight lines within cells."""
        grid = np.concatenate([[0.0], self.grid])
        padded = np.column_stack([np.zeros(len(curve)), curve])
        wanted = np.clip(np.asarray(days, np.float64), 0.0, grid[-1])
        right = np.clip(np.searchsorted(grid, wanted), 1, len(grid) - 1)
        share = (wanted - grid[right - 1]) / (grid[right] - grid[right - 1])
        out: FloatArray = padded[:, right - 1] * (1 - share) + padded[:, right] * share
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything as arrays, for storage."""
        fields = ("grid", "cell_segment", "baseline", "coefficient", "offset", "covariance")
        return {n: getattr(self, n) for n in fields} | {"reach_days": np.array(self.reach_days)}

    @classmethod
    def of_arrays(cls, stored: dict[str, NDArray[Any]]) -> Cox:
        """Return the model that `arrays` gave."""
        return cls(**{**stored, "reach_days": float(stored["reach_days"])})  # type: ignore[arg-type]


def fit_cox(
    covariates: FloatArray, ends: Ends, stratum: IntArray, terms: Terms, *,
    rows_per_lead: float = 1.0,
) -> Cox:  # fmt: skip
    """Fit both causes by stretch of time; exact, for no two stretches share a risk set.

    Parameters
    ----------
    covariates
        Standardised, shape ``(n, covariates)``.
    stratum
        From 0, shape ``(n,)``.
    rows_per_lead
        The covariance is blown up by it: landmarks of one lead are no new witnesses (the design effect
        at its worst, Kish 1965; the sandwich of Lin & Wei 1989 takes minutes at 40,000 rows).
    """
    reach = _reach(ends.days)
    grid = _grid(ends, terms.breaks, reach)
    starts = np.array([0.0, *terms.breaks])
    stops = np.array([*terms.breaks, np.inf])
    cell_segment = np.searchsorted(stops, grid, side="left").astype(np.int64)
    shape = (CAUSES, len(starts), covariates.shape[1])
    strata = int(stratum.max()) + 1
    coefficient, covariance = np.zeros(shape), np.zeros((*shape, shape[-1]))
    offset = np.zeros(shape[:2])
    baseline = np.zeros((strata, CAUSES, len(grid)))
    for cause in range(CAUSES):
        for s, (start, stop) in enumerate(zip(starts, stops, strict=True)):
            rows = np.flatnonzero(ends.days > start)
            happened = (ends.cause[rows] == cause + 1) & (ends.days[rows] <= stop)
            if happened.sum() < FEWEST_EVENTS:
                _even(baseline[:, cause], happened, ends.days[rows], grid, (start, stop))
                continue
            part = _fit_one(
                covariates[rows], np.minimum(ends.days[rows], stop), happened, stratum[rows],
                terms.penalizer,
            )  # fmt: skip
            coefficient[cause, s], offset[cause, s] = part[:2]
            covariance[cause, s] = rows_per_lead * part[2]
            for code, (times, mass) in part[3].items():
                total = np.interp(np.concatenate([[start], grid]), times, mass)
                inside = cell_segment == s
                baseline[code, cause, inside] = np.diff(total)[inside]
    _go_on(baseline, grid, reach)
    width = np.diff(np.concatenate([[0.0], grid]))
    baseline[:, 0] = np.maximum(baseline[:, 0], TRACE_PER_DAY * width)
    return Cox(grid, cell_segment, baseline, coefficient, offset, covariance, reach)


def _even(
    baseline: FloatArray, happened: NDArray[np.bool_], days: FloatArray, grid: FloatArray,
    stretch: tuple[float, float],
) -> None:  # fmt: skip
    """Spread a handful of events evenly over their stretch: too few to tell anyone apart."""
    edges = np.concatenate([[0.0], grid])
    width = np.diff(edges)
    inside = (grid > stretch[0]) & (grid <= stretch[1])
    exposure = np.clip(np.minimum(days, min(stretch[1], grid[-1])) - stretch[0], 0.0, None).sum()
    if exposure > 0:
        baseline[:, inside] = happened.sum() / exposure * width[inside]


def _reach(days: FloatArray) -> float:
    followed = np.sort(days)[-min(FEWEST_AT_RISK, len(days))]
    return float(min(max(followed, 1.0), HORIZON_DAYS))


def _grid(ends: Ends, breaks: Sequence[float], reach: float) -> FloatArray:
    """Return cell ends: the stated days, the breaks, and days between which as many events lie."""
    found = ends.days[(ends.cause > 0) & (ends.days <= reach)]
    cells = np.unique(np.quantile(found, np.linspace(0, 1, CELLS - 30))) if len(found) else found
    later = np.linspace(reach, HORIZON_DAYS, 12)
    fixed = [*STATED_DAYS, *breaks, reach, HORIZON_DAYS]
    every = np.unique(np.round(np.concatenate([cells, later, fixed]), 9))
    return every[every > 0]


def _go_on(baseline: FloatArray, grid: FloatArray, reach: float) -> None:
    """Let the hazard beyond what was followed fall from the mean of its last half as 1 over the days.

    Who has waited long is ever less likely to end on a given day: going on as before would have half of
    the leads of a file that was followed for two months close within the year.
    """
    width = np.diff(np.concatenate([[0.0], grid]))
    beyond = grid > reach + 1e-9
    half = (grid > reach / 2) & ~beyond
    if beyond.any() and half.any():
        rate = baseline[:, :, half].sum(axis=2) / width[half].sum()
        middle = grid[beyond] - width[beyond] / 2
        baseline[:, :, beyond] = rate[:, :, None] * width[beyond] * (0.75 * reach / middle)


def _fit_one(
    covariates: FloatArray, days: FloatArray, happened: NDArray[np.bool_], stratum: IntArray,
    penalizer: float,
) -> tuple[FloatArray, float, FloatArray, dict[int, tuple[FloatArray, FloatArray]]]:  # fmt: skip
    # lifelines' ridge works on its own standardisation: what hardly varies here would escape it.
    kept = np.flatnonzero(covariates.std(axis=0) > LEAST_SPREAD)
    fitter = fitted_by_lifelines(covariates[:, kept], days, happened, stratum, penalizer=penalizer)
    coefficient = np.zeros(covariates.shape[1])
    coefficient[kept] = fitter.params_.to_numpy()
    covariance = np.zeros((len(coefficient), len(coefficient)))
    covariance[np.ix_(kept, kept)] = fitter.variance_matrix_.to_numpy()
    # lifelines' baseline is that of the mean covariates.
    offset = -float(fitter._norm_mean.to_numpy() @ coefficient[kept])  # noqa: SLF001 - not public
    table = fitter.baseline_hazard_
    codes = [0] if table.shape[1] == 1 and fitter.strata is None else list(table.columns)
    lines: dict[int, tuple[FloatArray, FloatArray]] = {}
    for place, code in enumerate(codes):
        mass = table.iloc[:, place].fillna(0.0).cumsum().to_numpy()
        number = int(code[0] if isinstance(code, tuple) else code)
        times = table.index.to_numpy(np.float64)
        lines[number] = (np.concatenate([[0.0], times]), np.concatenate([[0.0], mass]))
    return coefficient, offset, covariance, lines


def fitted_by_lifelines(
    covariates: FloatArray, days: FloatArray, happened: NDArray[np.bool_], stratum: IntArray, *,
    penalizer: float,
) -> Any:  # fmt: skip
    """Return lifelines' ``CoxPHFitter`` (Breslow baseline, Efron ties) fitted on plain arrays."""
    import pandas as pd
    from lifelines import CoxPHFitter

    frame = pd.DataFrame(covariates, columns=[f"x{j}" for j in range(covariates.shape[1])])
    frame["days"], frame["happened"] = days, happened
    several = int(stratum.max()) > int(stratum.min())
    if several:
        frame["stratum"] = stratum
    with warnings.catch_warnings():
        # It warns of every nearly constant column and of each pandas change; the ridge holds both.
        warnings.simplefilter("ignore")
        return CoxPHFitter(penalizer=penalizer).fit(
            frame, "days", "happened", strata=["stratum"] if several else None
        )  # fmt: skip


def merge_strata(stratum: IntArray, cause: IntArray) -> IntArray:
    """Return for each raw stratum its merged number, so that each has events enough of both causes.

    Neighbours are merged downwards: stages are ordered. Both causes that occur at all are asked for.
    """
    count = int(stratum.max()) + 1
    tally = np.array([np.bincount(stratum[cause == c], minlength=count) for c in (1, 2)])
    tally = tally[tally.sum(axis=1) >= FEWEST_EVENTS]
    merged = np.zeros(count, np.int64)
    open_sum = np.zeros(len(tally))
    code = 0
    for raw in range(count):
        if (
            raw
            and np.all(open_sum >= FEWEST_EVENTS)
            and np.all(tally[:, raw:].sum(axis=1) >= FEWEST_EVENTS)
        ):
            code += 1
            open_sum = np.zeros(len(tally))
        merged[raw] = code
        open_sum = open_sum + tally[:, raw]
    return merged
