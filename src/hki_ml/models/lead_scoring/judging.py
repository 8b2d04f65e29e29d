"""What test leads say of scores: figures with intervals by lead, by day, by confidence, band and month."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from hki_ml.metrics import calibration, classification
from hki_ml.metrics.interval import cluster_bootstrap, share_interval
from hki_ml.metrics.table import Figure, Row, Table
from hki_ml.models.lead_scoring.scale import scores_of

FloatArray = NDArray[np.float64]
Measure = Callable[[FloatArray, FloatArray, FloatArray | None], float]

MEASURES: Mapping[str, Measure] = {
    "AUC": classification.auc,
    "PR-AUC": classification.average_precision,
    "lift@20": classification.lift_at,
    "P@20": classification.precision_at,
    "Brier": classification.brier,
    "log loss": classification.log_loss,
    "dECE": calibration.debiased_ece,
    "slope": calibration.slope,
    "intercept": calibration.intercept,
}
BY_DAY = ("AUC", "PR-AUC", "lift@20", "P@20", "Brier", "dECE")
DECILES = 10
FEWEST = 50


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Test rows with what was said of them and what came true; each of shape ``(n,)``.

    ``lead`` and ``month`` are numbers, ``day`` the landmark's.
    """

    closed: FloatArray
    margin: FloatArray
    confidence: FloatArray
    lead: NDArray[np.int64]
    day: FloatArray
    month: NDArray[np.object_]

    @property
    def probability(self) -> FloatArray:
        """What was said."""
        return np.asarray(1 / (1 + np.exp(-self.margin)), np.float64)

    def take(self, rows: NDArray[np.bool_]) -> Judged:
        """Return the rows at ``rows``."""
        return Judged(*(getattr(self, f.name)[rows] for f in fields(self)))


def overall(title: str, said: Judged, *, seed: int, draws: int) -> Table:
    """Return every figure with its interval over leads, and how well any model could do."""
    return Table(title, [row("all", said, seed=seed, draws=draws)], is_tall=True)


def row(name: str, said: Judged, *, seed: int, draws: int) -> Row:
    """Return every figure of one model with its 95 % interval, bootstrapped by lead."""
    truth, score = said.closed, said.probability
    ranges = cluster_bootstrap(
        {k: _weighted(m, truth, score) for k, m in MEASURES.items()},
        said.lead, seed=seed, draws=draws,
    )  # fmt: skip
    figures = {k: Figure(m(truth, score, None), *ranges[k]) for k, m in MEASURES.items()}
    base = classification.base_rate(truth)
    ceiling = classification.precision_ceiling(base)
    figures |= {
        "base rate": Figure(base),
        "P@20 ceiling": Figure(ceiling),
        "leads": Figure(float(len(np.unique(said.lead)))),
    }
    return Row(name, len(truth), figures)


def _weighted(
    measure: Measure, truth: FloatArray, score: FloatArray
) -> Callable[[FloatArray], float]:
    # Sorted once: every draw then sorts what is in order already.
    order = np.argsort(score, kind="stable")
    return lambda weight: measure(truth[order], score[order], weight[order])


def by_day(title: str, said: Judged) -> Table:
    """Return figures a landmark day; each lead is there once a day, so DeLong's interval holds."""
    rows = []
    for day in np.unique(said.day):
        there = said.take(said.day == day)
        if len(there.closed) < FEWEST or len(np.unique(there.closed)) < 2:
            continue
        truth, score = there.closed, there.probability
        figures = {k: Figure(MEASURES[k](truth, score, None)) for k in BY_DAY}
        figures["AUC"] = Figure(figures["AUC"].value, *classification.auc_interval(truth, score))
        figures["base rate"] = Figure(classification.base_rate(truth))
        rows.append(Row(f"day {day:g}", len(truth), figures))
    return Table(title, rows)


def by_confidence(title: str, said: Judged) -> Table:
    """Return a row a tenth of the rows by confidence, least confident first: errors should fall."""
    order = np.argsort(said.confidence, kind="stable")
    rows = []
    for i, part in enumerate(np.array_split(order, DECILES)):
        if not len(part):
            continue
        truth, score = said.closed[part], said.probability[part]
        rows.append(Row(f"tenth {i + 1}", len(part), {
            "confidence": Figure(float(said.confidence[part].mean())),
            "Brier": Figure(classification.brier(truth, score)),
            "mean error": Figure(float(np.mean(np.abs(truth - score)))),
            "log loss": Figure(classification.log_loss(truth, score)),
        }))  # fmt: skip
    return Table(title, rows)


def by_band(title: str, said: Judged) -> Table:
    """Return a row a band of ten points: what was said, and which share closed, with its interval.

    Each lead counts once a band, at its first moment there.
    """
    band = np.minimum(scores_of(said.margin) // 10, 9).astype(np.int64)
    rows = []
    for b in range(10):
        there = np.flatnonzero(band == b)
        _, first = np.unique(said.lead[there], return_index=True)
        there = there[first]
        if not len(there):
            continue
        share = float(100 * said.closed[there].mean())
        rows.append(Row(f"{10 * b}-{10 * b + 9 if b < 9 else 100}", len(there), {
            "closed %": Figure(share, *share_interval(share, len(there))),
            "said %": Figure(float(100 * said.probability[there].mean())),
        }))  # fmt: skip
    return Table(title, rows)


def by_month(title: str, said: Judged) -> Table:
    """Return a row a month of arrival: closings that were foretold, and those that came."""
    rows = []
    first = said.day == said.day.min()
    for month in np.unique(said.month[first].astype(str)):
        there = first & (said.month == month)
        foretold, came = said.probability[there].sum(), said.closed[there].sum()
        rows.append(Row(str(month), int(there.sum()), {
            "foretold": Figure(float(foretold)),
            "came": Figure(float(came)),
            "ratio": Figure(float(foretold / came) if came else float("nan")),
        }))  # fmt: skip
    return Table(title, rows)
