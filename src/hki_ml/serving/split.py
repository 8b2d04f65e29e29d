"""Two versions side by side: which lead gets which, and when the challenger is told to stop.

A question that the challenger fails at is answered by the champion: an experiment costs nobody an
answer. After three failures, or when it takes much longer, it is out, here and at once.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hki_ml.ledger import CHALLENGER_ARM, CHAMPION_ARM, Experiment

MOST_FAILURES = 3
FEWEST_TIMED = 200  # answers of each arm
SLOWEST_TIMES, SLOWEST_MORE_SECONDS = 2.0, 0.005
"""The challenger is out if its typical answer takes both so many times and so much longer."""


@dataclass(eq=False)
class Split:
    """An experiment, and what the challenger did in this process so far."""

    experiment: Experiment
    model: Any
    failures: int = 0
    seconds: dict[str, deque[float]] = field(
        default_factory=lambda: {
            arm: deque(maxlen=FEWEST_TIMED) for arm in (CHAMPION_ARM, CHALLENGER_ARM)
        }
    )
    tripped: str | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, entity: str | None) -> str:
        """Return the arm of an entity; who is nobody gets the champion, as all do once it is out."""
        if entity is None or self.tripped is not None:
            return CHAMPION_ARM
        return self.experiment.arm(entity)

    def told(self, arm: str) -> dict[str, Any]:
        """Return what an answer's record says of the experiment."""
        share = self.experiment.share
        return {
            "name": self.experiment.name,
            "arm": arm,
            "propensity": share if arm == CHALLENGER_ARM else 1 - share,
        }

    def failed(self, error: str) -> None:
        """Count a failure of the challenger."""
        with self._lock:
            self.failures += 1
            if self.failures >= MOST_FAILURES and self.tripped is None:
                self.tripped = f"it failed {self.failures} times, last with {error}"

    def took(self, arm: str, seconds: float) -> None:
        """Note how long an answer took."""
        times = self.seconds
        times[arm].append(seconds)
        if arm == CHALLENGER_ARM and len(times[arm]) % 50 == 0:
            self._compare()

    def _compare(self) -> None:
        if any(len(each) < FEWEST_TIMED for each in self.seconds.values()):
            return
        usual = float(np.median(self.seconds[CHAMPION_ARM]))
        theirs = float(np.median(self.seconds[CHALLENGER_ARM]))
        if theirs > max(SLOWEST_TIMES * usual, usual + SLOWEST_MORE_SECONDS):
            with self._lock:
                self.tripped = self.tripped or (
                    f"its median answer takes {1e3 * theirs:.2f} ms beside {1e3 * usual:.2f} ms"
                )


@dataclass(frozen=True, slots=True)
class SplitScorer:
    """Scores many leads at once, each by the version that answers it."""

    champion: Any
    split: Split

    @property
    def version(self) -> str:
        """Both versions, and by which experiment who gets which: another share is another version."""
        each = self.split.experiment
        return f"{self.champion.version}, and {each.challenger} for {each.share:.0%} by {each.name}"

    @property
    def scorer(self) -> Any:
        """The champion's own scorer."""
        return self.champion.scorer

    def margin_of(self, states: pd.DataFrame) -> Any:
        """Return the calibrated log-odds of leads at their ``event_timestamp``."""
        theirs = np.array([self.split.arm(lead) == CHALLENGER_ARM for lead in states["lead_id"]])
        margin = np.asarray(self.champion.margin_of(states), np.float64)
        if theirs.any():
            margin[theirs] = self.split.model.margin_of(states[theirs].reset_index(drop=True))
        return margin
