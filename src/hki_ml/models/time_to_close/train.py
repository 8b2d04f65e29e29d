"""Training: the covariates, how strongly they are held back, and where their effects may change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.admission import admit, admit_table, closings
from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import Ends, hide_later, horizon_of, split_leads
from hki_ml.learning.lead_matrix import fit_matrix
from hki_ml.learning.learnable import learnable
from hki_ml.learning.manifest import fingerprint
from hki_ml.metrics.survival import integrated_brier_rows, known_so_long
from hki_ml.models.time_to_close.cox import Cox, Terms, fit_cox, merge_strata
from hki_ml.models.time_to_close.design import Design
from hki_ml.models.time_to_close.explain import Typical
from hki_ml.models.time_to_close.features import STAGE, Lens
from hki_ml.models.time_to_close.labels import judged_days, residual
from hki_ml.models.time_to_close.level import levelled
from hki_ml.models.time_to_close.predict import TimeToClose
from hki_ml.models.time_to_close.proportionality import schoenfeld

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

PENALIZERS: tuple[float, ...] = (0.001, 0.01, 0.1)
MOST_ROWS = 100_000  # more rows change the second digit of no coefficient
MOST_ROWS_TRIED = 20_000
TAUGHT_SHARE = 0.75  # of the leads, the earlier ones, when terms are chosen
JUDGED_POINTS = 24
TRENDS = ("lead_close_rate", "lead_source_quality")
"""Columns that move with the years more than they tell leads apart; the source has its own rate beside."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows that teach, as matrix, ends and raw stage; ``leads`` says which belong together."""

    rows: pd.DataFrame
    table: FloatArray
    ends: Ends
    stage: IntArray

    def take(self, at: IntArray) -> Sample:
        """Return some of the rows."""
        ends = Ends(self.ends.days[at], self.ends.cause[at])
        return Sample(self.rows.iloc[at], self.table[at], ends, self.stage[at])


def train(
    rows: pd.DataFrame, *, as_of: pd.Timestamp, seed: int, terms: Terms | None = None,
    tests: bool = False,
) -> TimeToClose:  # fmt: skip
    """Return a model trained on the landmarks before ``as_of`` by what was known then.

    Parameters
    ----------
    terms
        Chosen before; ``None`` chooses.
    tests
        Whether proportionality is tested, which takes some seconds.

    Raises
    ------
    GateRefused
        If a feature is barred or knows the end, or ends are our own predictions; by name.
    NotEnoughData
        If fewer than 30 rows close.
    """
    known = hide_later(rows[rows["event_timestamp"] < as_of], as_of)
    features, truth = learnable(known), closings(known)
    admit(known, features, truth)
    matrix, table = fit_matrix(features, known, horizon_days=horizon_of(known))
    admit_table(known, matrix.names, table, truth)
    stage = np.nan_to_num(table[:, matrix.names.index(STAGE)]).astype(np.int64)
    sample = Sample(known, table, residual(known), stage)
    tried: list[dict[str, object]] = []
    if terms is None:
        terms, tried = choose(sample, matrix.names, seed=seed)
    drawn = _drawn(len(known), MOST_ROWS, seed)
    taught = sample.take(drawn)
    merged = _merged(taught, terms)
    design = Design.learn(matrix.names, taught.table, without=TRENDS)
    stratum = merged[taught.stage]
    per_lead = len(stratum) / taught.rows["lead_id"].nunique()
    covariates = design.of(taught.table)
    cox = fit_cox(covariates, taught.ends, stratum, terms, rows_per_lead=per_lead)
    served = design.of(matrix.table(features.iloc[drawn]))
    cox = levelled(cox, served, stratum, taught.ends)
    note = {
        "seed": seed, "as_of": as_of.isoformat(), **_counts(sample), "rows_fitted": len(stratum),
        "penalizer": terms.penalizer, "breaks_days": list(terms.breaks),
        "is_stratified": terms.is_stratified, "tried": tried, "reach_days": cox.reach_days,
        "covariates": list(design.covariates),
        "data_fingerprint": fingerprint({"table": table, "days": sample.ends.days}),
    }  # fmt: skip
    if tests:
        told = schoenfeld(covariates, taught.ends, stratum, terms, design.covariates)
        note["proportionality"] = told
    return TimeToClose(Lens(matrix, design, merged), cox, Typical.of(cox, stratum), note)


def _counts(sample: Sample) -> dict[str, object]:
    cause = sample.ends.cause
    return {
        "rows": len(cause), "leads": int(sample.rows["lead_id"].nunique()),
        "closed": int((cause == 1).sum()), "lost": int((cause == 2).sum()),
    }  # fmt: skip


def plain_cox(
    before: pd.DataFrame, after: pd.DataFrame, times: FloatArray, *, as_of: pd.Timestamp, seed: int
) -> FloatArray:
    """Return the curves of a Cox model on the raw matrix: one line a column, no strata, no stretches."""
    known = hide_later(before, as_of)
    matrix, table = fit_matrix(learnable(known), known, horizon_days=horizon_of(known))
    at = _drawn(len(known), MOST_ROWS_TRIED, seed)
    ends = residual(known.iloc[at])
    design = Design.learn(matrix.names, table[at], bends=False, logs=False)
    none = np.zeros(len(at), np.int64)
    cox = fit_cox(design.of(table[at]), ends, none, Terms(is_stratified=False))
    later = design.of(matrix.table(feature_frame(after)))
    return cox.at(cox.incidences(later, np.zeros(len(later), np.int64))[0], times)


def choose(
    sample: Sample, names: tuple[str, ...], *, seed: int
) -> tuple[Terms, list[dict[str, object]]]:
    """Return the terms under which the earlier leads tell best of the later ones, and all tried.

    First strata and breaks, then the penaliser; judged by the integrated Brier score of closing.
    """
    created = sample.rows["created_at"]
    cutoff = cast("pd.Timestamp", created.quantile(TAUGHT_SHARE))
    try:
        parts = _before_and_after(sample, cutoff, seed)
        residual(parts[0].rows)
    except NotEnoughData:
        return Terms(), []
    tried: list[dict[str, object]] = []

    def best(candidates: Iterator[Terms]) -> Terms:
        scored = [(_judge(*parts, names, terms), n, terms) for n, terms in enumerate(candidates)]
        tried.extend(
            {"penalizer": t.penalizer, "breaks_days": list(t.breaks), "is_stratified": t.is_stratified,
             "integrated_brier": score}
            for score, _, t in scored
        )  # fmt: skip
        return min(scored)[2]

    chosen = best(iter(_shapes(parts[0])))
    chosen = best(replace(chosen, penalizer=p) for p in PENALIZERS)
    return chosen, tried


def _shapes(sample: Sample) -> list[Terms]:
    closing = sample.ends.days[sample.ends.cause == 1]
    middle = float(np.round(np.quantile(closing, 0.5), 1))
    thirds = tuple(float(v) for v in np.round(np.quantile(closing, [0.25, 0.6]), 1))
    breaks: list[tuple[float, ...]] = [()]
    if middle >= 1.0:
        breaks.append((middle,))
    if thirds[0] >= 1.0 and thirds[1] >= thirds[0] + 1.0:
        breaks.append(thirds)
    several = len(np.unique(sample.stage)) > 1
    plain = [Terms(breaks=b, is_stratified=several) for b in breaks]
    return plain + ([Terms(is_stratified=False)] if several else [])


def _before_and_after(sample: Sample, cutoff: pd.Timestamp, seed: int) -> tuple[Sample, Sample]:
    numbered = sample.rows.assign(place=np.arange(len(sample.rows)))
    split = split_leads(numbered, cutoff=cutoff)
    sides = []
    for side in (split.teach, split.test):
        part = side.iloc[_drawn(len(side), MOST_ROWS_TRIED, seed)]
        at = part["place"].to_numpy()
        sides.append(Sample(part, sample.table[at], residual(part), sample.stage[at]))
    return sides[0], sides[1]


def _judge(before: Sample, after: Sample, names: tuple[str, ...], terms: Terms) -> float:
    design = Design.learn(names, before.table, without=TRENDS)
    merged = _merged(before, terms)
    cox = fit_cox(design.of(before.table), before.ends, merged[before.stage], terms)
    stage = np.minimum(after.stage, len(merged) - 1)
    return integrated_brier(cox, design.of(after.table), merged[stage], after)


def integrated_brier(cox: Cox, covariates: FloatArray, stratum: IntArray, sample: Sample) -> float:
    """Return the integrated Brier score of closing on rows, up to the day that they can judge."""
    until = judged_days(sample.rows)
    times = np.linspace(until / JUDGED_POINTS, until, JUDGED_POINTS)
    closed = cox.at(cox.incidences(covariates, stratum)[0], times)
    days, cause = sample.ends.days, sample.ends.cause
    known = known_so_long(days, cause)
    rows = integrated_brier_rows(closed, days, cause, times=times, known=known)
    return float(rows.mean())


def _merged(sample: Sample, terms: Terms) -> IntArray:
    if not terms.is_stratified:
        return np.zeros(int(sample.stage.max()) + 1, np.int64)
    return merge_strata(sample.stage, sample.ends.cause)


def _drawn(count: int, most: int, seed: int) -> IntArray:
    if count <= most:
        return np.arange(count)
    drawn: IntArray = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    return drawn
