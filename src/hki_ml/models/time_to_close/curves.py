"""What follows from two hazards in closed form: how likely closed and lost by each day, and when.

Within a cell of the grid both hazards are constant, so that closing takes its share of what ends there
and nothing is left over: closed + lost + open is 1 on every day.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled

FloatArray = NDArray[np.float64]

LARGEST_RISE = 1e18  # factors on a hazard beyond it change nothing that could be printed


@compiled
def incidence(
    closing: FloatArray, losing: FloatArray, closed: FloatArray, lost: FloatArray
) -> None:
    """Write the cumulative incidences at the end of each cell from the hazard mass within each.

    Parameters
    ----------
    closing, losing
        Integrated hazard within each cell, shape ``(cells,)``.
    closed, lost
        Written to, shape ``(cells,)``.
    """
    is_open = 1.0
    all_closed = 0.0
    all_lost = 0.0
    for k in range(len(closing)):
        total = closing[k] + losing[k]
        if total > 0.0:
            ending = -is_open * np.expm1(-total)
            all_closed += ending * closing[k] / total
            all_lost += ending * losing[k] / total
            is_open *= np.exp(-total)
        closed[k] = all_closed
        lost[k] = all_lost


@compiled
def _reached(closing: FloatArray, losing: FloatArray, rise: float) -> float:
    """Return the share of what is open at the start that closes, its hazard times ``rise``."""
    is_open = 1.0
    found = 0.0
    for k in range(len(closing)):
        total = rise * closing[k] + losing[k]
        if total > 0.0:
            ending = -is_open * np.expm1(-total)
            found += ending * rise * closing[k] / total
            is_open -= ending
    return found


@compiled
def rise_to(closing: FloatArray, losing: FloatArray, wanted: float) -> float:  # noqa: C901 - one loop
    """Return the factor on the closing hazard at which ``wanted`` of the open ones close; bracketed.

    ``LARGEST_RISE`` if not even that reaches it.
    """
    if closing.sum() <= 0.0:
        return 1.0
    if wanted <= 0.0:
        return 0.0
    low = 0.0
    high = 1.0
    while _reached(closing, losing, high) < wanted:
        low = high
        high *= 8.0
        if high > LARGEST_RISE:
            return LARGEST_RISE
    f_low = _reached(closing, losing, low) - wanted
    f_high = _reached(closing, losing, high) - wanted
    middle = high
    for turn in range(200):
        # Every third step halves: the secant alone may creep along a flat curve.
        if turn % 3 == 2 or f_high == f_low:
            middle = 0.5 * (low + high)
        else:
            middle = high - f_high * (high - low) / (f_high - f_low)
        off = _reached(closing, losing, middle) - wanted
        if abs(off) < 1e-14 or high - low <= 1e-15 * high:
            break
        if off < 0:
            low, f_low = middle, off
        else:
            high, f_high = middle, off
    return middle


@compiled
def anchor(
    closing: FloatArray, losing: FloatArray, ends: NDArray[np.int64], wanted: FloatArray
) -> None:
    """Scale both hazards in place so that ``wanted[a]`` have closed by the end of cell ``ends[a] - 1``.

    The closing hazard gets one factor from each anchor to the next, and keeps the last one. Where
    so many are lost that an anchor is out of reach, the losing hazard is taken back first, as a whole.

    Parameters
    ----------
    ends
        Ascending, shape ``(anchors,)``.
    wanted
        Not falling, below 1, shape ``(anchors,)``.
    """
    for _ in range(60):
        if _scaled(closing, losing, ends, wanted):
            return
        losing *= 0.5


@compiled
def _scaled(
    closing: FloatArray, losing: FloatArray, ends: NDArray[np.int64], wanted: FloatArray
) -> bool:
    rises = np.ones(len(ends))
    is_open = 1.0
    start = 0
    reached = 0.0
    for a in range(len(ends)):
        part = closing[start : ends[a]]
        other = losing[start : ends[a]]
        share = (wanted[a] - reached) / is_open if is_open > 0.0 else 2.0
        if share > 0.0 and part.sum() > 0.0:
            rises[a] = rise_to(part, other, share)
            if rises[a] >= LARGEST_RISE:
                return False
        else:
            rises[a] = 0.0
        is_open *= np.exp(-(rises[a] * part.sum() + other.sum()))
        reached = wanted[a]
        start = ends[a]
    start = 0
    for a in range(len(ends)):
        closing[start : ends[a]] *= rises[a]
        start = ends[a]
    closing[start:] *= rises[-1]
    return True


@compiled
def mean_if_closing(grid: FloatArray, closed: FloatArray) -> float:
    """Return the mean days to closing of those that close within the grid; trapezoids over its cells.

    Parameters
    ----------
    grid
        Days at the end of each cell; the first cell begins at 0.
    """
    area = 0.0
    before = 0.0
    start = 0.0
    for k in range(len(grid)):
        area += 0.5 * (before + closed[k]) * (grid[k] - start)
        before = closed[k]
        start = grid[k]
    return float(grid[-1] - area / closed[-1]) if closed[-1] > 0.0 else np.nan


@compiled
def day_of(grid: FloatArray, closed: FloatArray, level: float) -> float:
    """Return the day on which ``level`` have closed, on straight lines within cells; NaN if never."""
    before = 0.0
    start = 0.0
    for k in range(len(grid)):
        if closed[k] >= level:
            rise = closed[k] - before
            share = (level - before) / rise if rise > 0.0 else 1.0
            return float(start + (grid[k] - start) * share)
        before = closed[k]
        start = grid[k]
    return np.nan


@compiled
def hazards(
    baseline: FloatArray, cell_segment: NDArray[np.int64], log_hazard: FloatArray, out: FloatArray
) -> None:
    """Write one lead's hazard mass by cause and cell, shape ``(2, cells)``.

    Parameters
    ----------
    baseline
        Of the lead's stratum, shape ``(2, cells)``.
    cell_segment
        Which stretch of time a cell lies in.
    log_hazard
        Of the lead by cause and stretch, shape ``(2, segments)``.
    """
    for cause in range(2):
        for k in range(out.shape[1]):
            out[cause, k] = baseline[cause, k] * np.exp(log_hazard[cause, cell_segment[k]])


@compiled
def curves_of(
    baseline: FloatArray, stratum: NDArray[np.int64], cell_segment: NDArray[np.int64],
    log_hazard: FloatArray, closed: FloatArray, lost: FloatArray,
) -> None:  # fmt: skip
    """Write the incidences of many leads, shape ``(n, cells)``.

    Parameters
    ----------
    baseline
        Shape ``(strata, 2, cells)``.
    log_hazard
        Shape ``(n, 2, segments)``.
    """
    mass = np.empty((2, baseline.shape[2]))
    for i in range(len(stratum)):
        hazards(baseline[stratum[i]], cell_segment, log_hazard[i], mass)
        incidence(mass[0], mass[1], closed[i], lost[i])
