"""What is simply more or less: a ridge logistic regression that trees may start from.

Trees take many steps to draw a straight line, and end with odds that are too timid. Where leads go by
sums, starting from this leaves the trees only what bends; the comparison says where that is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from hki_ml.models.lead_scoring.boosters import Lesson

FloatArray = NDArray[np.float64]

RIDGE = 10.0  # on standardised columns
INTERCEPT_RIDGE = 1.0  # a fold without closings has no level of its own
FARTHEST = 10.0  # standard deviations that a value may count
FLAT = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Lean:
    """A weight a column, and one for not knowing it.

    Attributes
    ----------
    middle, scale, slope
        Of each column: what is taken off, what is divided by, log-odds of a standard deviation.
    unknown
        Log-odds of a column that is not known, against one at its middle.
    level
        Log-odds of a row at every middle.
    """

    middle: FloatArray
    scale: FloatArray
    slope: FloatArray
    unknown: FloatArray
    level: float

    def parts(self, table: FloatArray) -> FloatArray:
        """Return the log-odds of each column, shape as the table's."""
        moved = np.clip((table - self.middle) / self.scale, -FARTHEST, FARTHEST) * self.slope
        return np.asarray(np.where(np.isnan(table), self.unknown, moved), np.float64)

    def __call__(self, table: FloatArray) -> FloatArray:
        """Return log-odds to be added to where the rows start, shape ``(n,)``."""
        return summed(self.parts(table)) + self.level

    def arrays(self) -> dict[str, FloatArray]:
        """Return everything as arrays."""
        return {
            "middle": self.middle, "scale": self.scale, "slope": self.slope,
            "unknown": self.unknown, "level": np.array([self.level]),
        }  # fmt: skip

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, FloatArray]) -> Lean:
        """Return what ``arrays`` gave."""
        kept = {name: arrays[name] for name in ("middle", "scale", "slope", "unknown")}
        return cls(**kept, level=float(arrays["level"][0]))


def summed(parts: FloatArray) -> FloatArray:
    """Return each row's sum, column after column: the same for one row as for a million."""
    total = np.zeros(len(parts))
    for column in parts.T:
        total += column
    return total


def fit_lean(lesson: Lesson, directions: NDArray[np.int64]) -> Lean:
    """Learn the weights; those of columns with a direction have its sign or are 0.

    ``lesson.start`` is where each row starts from; the weights say what is to be added.
    """
    gone = np.isnan(lesson.table)
    count = np.maximum((~gone).sum(axis=0), 1)
    middle = np.where(gone, 0.0, lesson.table).sum(axis=0) / count
    centred = np.where(gone, 0.0, lesson.table - middle)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    scale = np.where(spread > FLAT, spread, 1.0)
    share = gone.mean(axis=0)
    is_seen = (spread > FLAT) & (share < 1)
    is_gap = (share > 0) & (share < 1)
    known = np.clip(centred / scale, -FARTHEST, FARTHEST)[:, is_seen]
    design = np.hstack([known, gone[:, is_gap]])
    signs = np.concatenate([directions[is_seen], np.zeros(int(is_gap.sum()))])
    found = _weights(design, lesson, signs)
    slope, unknown = np.zeros(len(middle)), np.zeros(len(middle))
    slope[is_seen] = found[: is_seen.sum()]
    unknown[is_gap] = found[is_seen.sum() : -1]
    return Lean(middle, scale, slope, unknown, float(found[-1]))


def _weights(design: FloatArray, lesson: Lesson, signs: FloatArray) -> FloatArray:
    """Return a weight a column and the level, by maximum a-posteriori likelihood."""
    ridge = np.append(np.full(design.shape[1], RIDGE), INTERCEPT_RIDGE)

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        said = lesson.start + design @ weights[:-1] + weights[-1]
        off = lesson.weight * (1 / (1 + np.exp(-said)) - lesson.closed)
        value = lesson.weight @ (np.logaddexp(0.0, said) - lesson.closed * said)
        slope = np.append(design.T @ off, off.sum()) + ridge * weights
        return float(value + 0.5 * ridge @ weights**2), slope

    bounds = [(0.0 if s > 0 else None, 0.0 if s < 0 else None) for s in signs] + [(None, None)]
    start = np.zeros(design.shape[1] + 1)
    made = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}
    )
    return np.asarray(made.x, np.float64)
