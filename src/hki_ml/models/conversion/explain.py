"""Through which stages a lead would close: how often others went on from each, moved to this lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled
from hki_ml.learning.lead_clock import STAGES
from hki_ml.learning.lead_labels import CLOSED, DAY, LOST

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

WITHIN_DAYS = 90.0
END = len(STAGES)  # closed stands above every stage
PRIOR_LEADS = 20.0
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Ladder:
    """How often leads went on, by the stage where they stood and the stage that they had reached.

    Attributes
    ----------
    going_on
        Share of those that reached a stage and went on from it within 90 days, shape
        ``(stages, stages)``: first where the lead stands now, then the stage reached.
    losing
        Share of those that stayed there and were lost within 90 days, of the same shape.
    """

    going_on: FloatArray
    losing: FloatArray

    @classmethod
    def learn(cls, stage: IntArray, furthest: IntArray, lost: NDArray[np.bool_]) -> Ladder:
        """Count, and shrink to what holds wherever a lead stands now.

        Parameters
        ----------
        stage
            Now, shape ``(n,)``.
        furthest
            Reached within the horizon; ``END`` for closed.
        lost
            Whether it was lost within the horizon.
        """
        shape = (END, END)
        reached, went, lost_there = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for s in range(END):
            at = stage <= s
            here = at & (furthest >= s)
            np.add.at(reached[:, s], stage[here], 1.0)
            np.add.at(went[:, s], stage[here & (furthest > s)], 1.0)
            np.add.at(lost_there[:, s], stage[here & (furthest == s) & lost], 1.0)
        stayed = reached - went
        return cls(_shrunk(went, reached), _shrunk(lost_there, stayed))

    def climb(self, stage: int, closing: float) -> tuple[tuple[str, str, float], ...]:
        """Return each step from ``stage`` on; the product of the steps up is ``closing``.

        The odds of every step are moved by one factor.
        """
        up = self.steps(np.array([stage]), np.array([closing]))[0, stage:]
        found: list[tuple[str, str, float]] = []
        for s, p in enumerate(up, start=stage):
            above = STAGES[s + 1] if s + 1 < END else CLOSED
            found.append((STAGES[s], above, float(p)))
            found.append((STAGES[s], LOST, float((1.0 - p) * self.losing[stage, s])))
        return tuple(found)

    def steps(self, stage: IntArray, closing: FloatArray) -> FloatArray:
        """Return the steps up of many leads, shape ``(n, stages)``; 1 below where a lead stands."""
        base = np.clip(self.going_on[stage], _LEAST, 1 - _LEAST)
        odds = np.log(base) - np.log1p(-base)
        passed = np.arange(END) < stage[:, None]
        wanted = np.log(np.clip(closing, 1e-12, 1 - 1e-12))
        shift = _shifts(odds, stage, wanted)
        logs = -np.logaddexp(0.0, -(odds + shift[:, None]))
        out: FloatArray = np.where(passed, 1.0, np.exp(logs))
        return out


@compiled
def _shifts(odds: FloatArray, stage: IntArray, wanted: FloatArray) -> FloatArray:
    """Return what is added to the log-odds of a lead's steps for their logs to sum to ``wanted``."""
    out = np.empty(len(stage))
    for i in range(len(stage)):
        low, high = -60.0, 60.0
        for _ in range(80):
            middle = 0.5 * (low + high)
            total = 0.0
            for s in range(stage[i], odds.shape[1]):
                total -= np.log1p(np.exp(-(odds[i, s] + middle)))
            if total < wanted[i]:
                low = middle
            else:
                high = middle
        out[i] = 0.5 * (low + high)
    return out


def _shrunk(count: FloatArray, of: FloatArray) -> FloatArray:
    overall = (count.sum(axis=0) + 0.5) / (of.sum(axis=0) + 1.0)
    out: FloatArray = (count + PRIOR_LEADS * overall) / (of + PRIOR_LEADS)
    return out


def reached(rows: pd.DataFrame, stage: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return the furthest stage within 90 days of each row, and whether it was lost by then.

    Stages are seen at landmarks, up to 30 days after a lead came: a stage that was reached between a
    lead's last landmark and its loss is not seen. A lead that closed has passed every stage.
    """
    order = np.lexsort((rows["event_timestamp"].to_numpy(), rows["lead_id"].to_numpy().astype(str)))
    lead = rows["lead_id"].to_numpy()[order]
    later = stage[order].copy()
    for i in range(len(later) - 2, -1, -1):
        if lead[i] == lead[i + 1]:
            later[i] = max(later[i], later[i + 1])
    furthest = np.empty_like(later)
    furthest[order] = later
    in_time = (rows["ended_at"] <= rows["event_timestamp"] + WITHIN_DAYS * DAY).to_numpy()
    closed = (rows["outcome"] == CLOSED).to_numpy() & in_time
    lost = (rows["outcome"] == LOST).to_numpy() & in_time
    return np.where(closed, END, furthest), lost
