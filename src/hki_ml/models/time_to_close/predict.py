"""From a lead's state to when it closes, in closed form: no survival library, no grid search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.models.time_to_close.answer import OnDay, Opportunity, RiskFactor, TimeAnswer
from hki_ml.models.time_to_close.cox import STATED_DAYS, Cox, Terms
from hki_ml.models.time_to_close.curves import anchor, day_of, hazards, incidence, mean_if_closing
from hki_ml.models.time_to_close.explain import Typical, opportunities, risk_factors
from hki_ml.models.time_to_close.features import Lens

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Anchors = Sequence[tuple[float, float]]

ANCHOR_DAYS = 90.0
MOST, LEAST = 1 - 1e-9, 1e-9
QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One lead's hazard mass by cell, and what follows from it.

    ``mass`` has shape ``(2, cells)``: closing and losing.
    """

    grid: FloatArray
    mass: FloatArray
    closed: FloatArray
    lost: FloatArray

    @classmethod
    def of(cls, grid: FloatArray, mass: FloatArray) -> Curve:
        """Return the curve of given hazards."""
        closed, lost = np.empty(len(grid)), np.empty(len(grid))
        incidence(mass[0], mass[1], closed, lost)
        return cls(grid, mass, closed, lost)

    def closed_by(self, days: float) -> float:
        """Return the probability of having closed by a day."""
        return float(
            np.interp(days, self.grid, self.closed, left=days / self.grid[0] * self.closed[0])
        )

    @property
    def expected_days(self) -> float:
        """Mean days to closing of those that close within the grid; its end if none does."""
        found = mean_if_closing(self.grid, self.closed)
        return float(found) if np.isfinite(found) else float(self.grid[-1])

    def quantile(self, share: float) -> float | None:
        """Return the day by which a share of those that close within the grid has closed."""
        if self.closed[-1] <= 0:
            return None
        return float(day_of(self.grid, self.closed, share * self.closed[-1]))


@dataclass(frozen=True, slots=True, eq=False)
class TimeToClose:
    """A trained model; ``note`` says how it was trained and goes into the manifest."""

    lens: Lens
    cox: Cox
    typical: Typical
    note: Mapping[str, object]
    version: str = ""

    def answer(
        self, state: Mapping[str, Any], *, as_of: datetime, close_90: float | None = None,
        curve: Anchors | None = None,
    ) -> TimeAnswer:  # fmt: skip
        """Return when a lead closes.

        Parameters
        ----------
        state
            A row of ``tables.LEAD_STATE``.
        close_90
            Probability of closing within 90 days to be met: one factor on the hazard of closing.
        curve
            Days with probabilities to be met instead, so that two rooms print one curve: a factor
            between each two. Not falling; on days of ``distribution``, others are passed over.
        """
        moment_us = as_of.timestamp() * 1e6
        covariates, stratum = self.lens.of_state(state, moment_us)
        log_hazard = self.cox.log_hazard(covariates)[0]
        anchors = self._anchors(close_90, curve)
        own = self.mass(log_hazard, int(stratum[0]))
        rises = self.rises(own, anchors)
        found = Curve.of(self.cox.grid, own * rises)
        factors = risk_factors(self.lens, self.cox, self.typical, covariates[0], int(stratum[0]))
        offers = opportunities(self, state, moment_us, found, rises)
        return _told(found, factors, offers, is_anchored=bool(anchors))

    @property
    def terms(self) -> Terms:
        """What training chose."""
        note: Mapping[str, Any] = self.note
        return Terms(note["penalizer"], tuple(note["breaks_days"]), note["is_stratified"])

    def mass(self, log_hazard: FloatArray, stratum: int) -> FloatArray:
        """Return one lead's hazard mass, shape ``(2, cells)``, from its log hazard ``(2, segments)``."""
        out = np.empty((2, len(self.cox.grid)))
        hazards(self.cox.baseline[stratum], self.cox.cell_segment, log_hazard, out)
        return out

    def rises(self, mass: FloatArray, anchors: Anchors) -> FloatArray:
        """Return the factors, shape ``(2, cells)``, with which a lead's hazards meet the anchors."""
        factors = np.ones_like(mass)
        if not anchors:
            return factors
        ends = np.array([np.searchsorted(self.cox.grid, day) + 1 for day, _ in anchors], np.int64)
        wanted = np.maximum.accumulate(np.array([p for _, p in anchors]))
        scaled = mass.copy()
        anchor(scaled[0], scaled[1], ends, wanted)
        return np.divide(scaled, mass, out=factors, where=mass > 0)

    def _anchors(self, close_90: float | None, curve: Anchors | None) -> list[tuple[float, float]]:
        given = [(ANCHOR_DAYS, close_90)] if curve is None and close_90 is not None else curve or ()
        grid = set(self.cox.grid.tolist())
        return [(d, min(max(p, LEAST), MOST)) for d, p in sorted(given) if float(d) in grid]

    def curves(self, rows: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        """Return closed and lost of many leads at the grid, each of shape ``(n, cells)``."""
        return self.cox.incidences(*self.lens.of_frame(rows))


def load(folder: Path, version: str = "") -> TimeToClose:
    """Return the model that was saved, its files verified.

    Raises
    ------
    ArtifactRefused
        If a file is not what the manifest says.
    """
    from hki_ml.models.time_to_close import artifact

    return artifact.load(folder, version)


def _told(
    found: Curve, factors: tuple[RiskFactor, ...], offers: tuple[Opportunity, ...], *, is_anchored: bool
) -> TimeAnswer:  # fmt: skip
    quantiles = {name: found.quantile(share) for name, share in QUANTILES.items()}
    places = np.searchsorted(found.grid, STATED_DAYS)
    stated = tuple(
        OnDay(int(day), float(found.closed[k]), float(found.lost[k]))
        for day, k in zip(STATED_DAYS, places, strict=True)
    )
    return TimeAnswer(
        expected_days=found.expected_days,
        median_days=quantiles["p50"],
        quantiles=quantiles,
        distribution=stated,
        never_probability=float(1.0 - found.closed[-1]),
        hazard_ratio=float(np.prod([factor.hazard_ratio for factor in factors])),
        risk_factors=factors,
        acceleration_opportunities=offers,
        is_anchored=is_anchored,
    )
