"""From the trees' log-odds to odds that come true: a smooth rising curve, and how sure it is where.

The curve is straight between a few knots, rising everywhere, and smooth unless the data say otherwise.
Isotonic steps would do for probabilities; but on a step two leads that differ get one score, a reason
moves nothing, and at its edge a trifle moves the score by ten points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import isotonic_regression

from hki_ml.learning.compiled import compiled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KNOTS = (0.1, 0.3, 0.5, 0.7, 0.9)
STIFFNESS = 20.0  # nats that one unit of change of slope costs
FLATTEST, STEEPEST = 0.05, 5.0
STEPS: tuple[float, ...] = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05)
"""How far one outcome may move the level of log-odds; 0 follows nothing."""
WORTH_FOLLOWING = (
    2e-4  # nats a row: less gain than this is chance, and a still level is a steadier score
)
GRID = 200
NEAR = 0.5  # log-odds within which calibration rows speak for a point


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A rising line of straight pieces through log-odds.

    Attributes
    ----------
    knots
        Raw log-odds at which the slope may change, shape ``(k,)``, rising.
    values
        Calibrated log-odds there.
    ends
        Slopes before the first and after the last knot.
    """

    knots: FloatArray
    values: FloatArray
    ends: tuple[float, float]

    def __call__(self, raw: FloatArray) -> FloatArray:
        """Return calibrated log-odds, shape as given."""
        inside = np.interp(raw, self.knots, self.values)
        below = np.minimum(raw - self.knots[0], 0.0) * self.ends[0]
        above = np.maximum(raw - self.knots[-1], 0.0) * self.ends[1]
        return np.asarray(inside + below + above, np.float64)

    def described(self) -> dict[str, Any]:
        """Return everything for a JSON file."""
        return {
            "knots": self.knots.tolist(), "values": self.values.tolist(), "ends": list(self.ends),
        }  # fmt: skip

    @classmethod
    def of_described(cls, stored: Mapping[str, Any]) -> Curve:
        """Return the curve that ``described`` gave."""
        first, last = stored["ends"]
        return cls(np.array(stored["knots"]), np.array(stored["values"]), (first, last))


def fit_curve(raw: FloatArray, closed: FloatArray, weight: FloatArray) -> Curve:
    """Return the curve of highest likelihood less what its bends cost.

    Parameters
    ----------
    raw
        Log-odds that trees gave to rows they had not seen, shape ``(n,)``.
    closed, weight
        0 or 1, and what each row counts, shape ``(n,)``.
    """
    knots = np.unique(np.quantile(raw, KNOTS))
    pieces = _pieces(raw, knots)
    start = np.concatenate([[float(knots[0])], np.ones(pieces.shape[1])])

    def cost(theta: FloatArray) -> tuple[float, FloatArray]:
        said = theta[0] + pieces @ theta[1:]
        loss = float(np.sum(weight * (np.logaddexp(0.0, said) - closed * said)))
        slope = weight * (expit(said) - closed)
        bends = np.diff(theta[1:])
        gradient = np.concatenate([[slope.sum()], pieces.T @ slope])
        gradient[1:-1] -= 2 * STIFFNESS * bends
        gradient[2:] += 2 * STIFFNESS * bends
        return loss + STIFFNESS * float(np.sum(bends**2)), gradient

    bounds = [(None, None)] + [(FLATTEST, STEEPEST)] * pieces.shape[1]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    values = found[0] + np.concatenate([[0.0], np.cumsum(found[2:-1] * np.diff(knots))])
    return Curve(knots, values, (float(found[1]), float(found[-1])))


def _pieces(raw: FloatArray, knots: FloatArray) -> FloatArray:
    """Return how much of each piece of the line lies between the first knot and each row."""
    below = np.minimum(raw - knots[0], 0.0)
    inside = [np.clip(raw, a, b) - a for a, b in pairwise(knots)]
    above = np.maximum(raw - knots[-1], 0.0)
    return np.column_stack([below, *inside, above])


def follow_level(
    margin: FloatArray, closed: FloatArray, known_at: IntArray, asked_at: IntArray, *,
    step: float, start: float = 0.0,
) -> tuple[FloatArray, float]:  # fmt: skip
    """Return how far the level had moved by what was known strictly before each question, and now.

    Each outcome moves the level by ``step`` times how far it is off what was said of it.

    Parameters
    ----------
    margin, closed, known_at
        Calibrated log-odds of outcomes, the outcomes and when they were known, shape ``(n,)``.
    asked_at
        When each question is asked, shape ``(m,)``.
    """
    order = np.argsort(known_at, kind="stable")
    levels = _walk_level(margin[order], closed[order], step, start)
    return levels[np.searchsorted(known_at[order], asked_at, side="left")], float(levels[-1])


@compiled
def _walk_level(margin: FloatArray, closed: FloatArray, step: float, start: float) -> FloatArray:
    levels = np.empty(len(margin) + 1)
    levels[0] = start
    for i in range(len(margin)):
        said = 1.0 / (1.0 + np.exp(-(margin[i] + levels[i])))
        levels[i + 1] = levels[i] + step * (closed[i] - said)
    return levels


def choose_step(
    margin: FloatArray, closed: FloatArray, asked_at: IntArray, known_at: IntArray
) -> float:
    """Return the step under which earlier outcomes foretold later ones best; 0 unless it pays."""
    losses = []
    for step in STEPS:
        level, _ = follow_level(margin, closed, known_at, asked_at, step=step)
        said = margin + level
        losses.append(float(np.mean(np.logaddexp(0.0, said) - closed * said)))
    best = int(np.argmin(losses))
    return STEPS[best] if losses[best] < losses[0] - WORTH_FOLLOWING else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """How far apart the two probabilities of Venn and Abers lie, by calibrated log-odds.

    Attributes
    ----------
    margin, width
        Shape ``(GRID,)``; between them the width is a straight line.
    widest
        What counts as no confidence at all.
    """

    margin: FloatArray
    width: FloatArray
    widest: float

    def __call__(self, margin: FloatArray) -> FloatArray:
        """Return the width as a share of the widest, 0 to 1, shape as given."""
        return np.asarray(
            np.clip(np.interp(margin, self.margin, self.width) / self.widest, 0, 1), np.float64
        )


def fit_doubt(margin: FloatArray, closed: FloatArray, weight: FloatArray) -> Doubt:
    """Return the widths of an inductive Venn-Abers predictor (Vovk and Petej 2014, arXiv 1211.0025).

    At each point of a grid the calibration rows are fitted by isotonic regression twice: with a new
    row there that closed, and with one that did not. Rows are binned to 2,000 first, widths smoothed.
    """
    order = np.argsort(margin, kind="stable")
    cuts = np.unique(np.linspace(0, len(order), min(len(order), 2_000) + 1).astype(np.int64))[:-1]
    mass = np.add.reduceat(weight[order], cuts)
    keep = mass > 0
    place = (np.add.reduceat((weight * margin)[order], cuts)[keep]) / mass[keep]
    seen = (np.add.reduceat((weight * closed)[order], cuts)[keep]) / mass[keep]
    mass = mass[keep]
    grid = np.unique(np.quantile(place, np.linspace(0, 1, GRID)))
    widths = np.array([_two_ways(point, place, seen, mass) for point in grid])
    # An isotonic block is as long as chance will have it. What is regular is the width as a share of
    # one outcome's own spread: it falls as there are more rows nearby.
    spread = np.sqrt(expit(grid) * expit(-grid))
    heap = np.concatenate([[0.0], np.cumsum(mass)])
    near = heap[np.searchsorted(place, grid + NEAR)] - heap[np.searchsorted(place, grid - NEAR)]
    count, share = np.log(np.maximum(near, 1.0)), np.log(np.maximum(widths / spread, 1e-9))
    varied = float(np.var(count))
    fall = float(np.cov(count, share)[0, 1] / varied) if varied > 0 else 0.0
    level = share.mean() + np.clip(fall, -1.0, 0.0) * (count - count.mean())
    smooth = spread * np.exp(level)
    # Twice what nineteen leads in twenty stay below is no confidence; one far outlier sets no scale.
    return Doubt(grid, smooth, float(max(2 * np.quantile(smooth, 0.95), 1e-6)))


def _two_ways(point: float, place: FloatArray, seen: FloatArray, mass: FloatArray) -> float:
    at = int(np.searchsorted(place, point))
    said = []
    for outcome in (0.0, 1.0):
        fitted = isotonic_regression(
            np.insert(seen, at, outcome), sample_weight=np.insert(mass, at, 1.0)
        )
        said.append(float(fitted[at]))
    return said[1] - said[0]


def level_of(rate: float) -> float:
    """Return the log-odds of a rate."""
    return float(logit(np.clip(rate, 0.002, 0.998)))
