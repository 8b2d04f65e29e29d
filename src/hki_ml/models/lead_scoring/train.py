"""Training: from leads as known at one moment to a scorer, with everything that was tried on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning import fairness
from hki_ml.learning.admission import admit, admit_table, closings
from hki_ml.learning.lead_clock import CLOCK_FEATURES
from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import hide_later, horizon_of
from hki_ml.learning.lead_matrix import LeadMatrix, fit_matrix
from hki_ml.learning.learnable import seen_too_seldom
from hki_ml.learning.manifest import fingerprint
from hki_ml.learning.matured import microseconds
from hki_ml.models.lead_scoring.boosters import Lesson, Recipe, grow
from hki_ml.models.lead_scoring.calibration import (
    Curve,
    choose_step,
    fit_curve,
    fit_doubt,
    follow_level,
    level_of,
)
from hki_ml.models.lead_scoring.compare import Course, Tried, compare, leaned
from hki_ml.models.lead_scoring.features import (
    RATE,
    directions,
    prepared,
    starting_log_odds,
)
from hki_ml.models.lead_scoring.labels import Labels, labels
from hki_ml.models.lead_scoring.lots import effects
from hki_ml.models.lead_scoring.predict import Scorer

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FEWEST_CLOSINGS = 30
CLOCK = 0.4  # distance (Kolmogorov-Smirnov) of a column's earlier and later half: it tells the time
NEARLY_ALL = 0.9  # a lead without what nine in ten have is incomplete
USUAL = 0.5  # of a typical lead a fact is known if at least half of all leads have it


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Rows that teach, as a matrix, with what is known of their ends."""

    rows: pd.DataFrame
    features: pd.DataFrame
    matrix: LeadMatrix
    table: FloatArray
    found: Labels


def train(
    frame: pd.DataFrame, *, as_of: pd.Timestamp, seed: int = 0, threads: int = 1,
    chosen: Recipe | None = None,
) -> Scorer:  # fmt: skip
    """Train on the landmarks before ``as_of`` and what was known of their ends by then.

    Parameters
    ----------
    chosen
        How trees are grown, as a trial chose: what was judged is what is served. ``None`` compares.

    Raises
    ------
    GateRefused
        If a feature is barred or knows the end, or outcomes are our own predictions; by name.
    NotEnoughData
        With fewer than 30 closings, or none that did not close.
    """
    lessons = prepare(frame, as_of=as_of)
    return learn(lessons, as_of=as_of, seed=seed, threads=threads, chosen=chosen)


def learn(
    lessons: Lessons, *, as_of: pd.Timestamp, seed: int = 0, threads: int = 1,
    chosen: Recipe | None = None,
) -> Scorer:  # fmt: skip
    """Train on rows that were prepared as of a moment."""
    course, usual = _course(lessons)
    kept, tried = compare(course, seed=seed, threads=threads, chosen=chosen)
    curve, step, level, margin = _calibrated(lessons, kept)
    lesson = course.lesson_of(kept.recipe)
    known = np.flatnonzero(lesson.weight > 0)
    taught, _, lean = leaned(kept.recipe, course, lesson.take(known), lesson.take(known[:0]))
    grown = grow(kept.recipe, taught, course.directions, seed=seed, threads=threads)
    doubt = fit_doubt(margin, lesson.closed[kept.rows], np.ones(len(margin)))
    scorer = Scorer(
        matrix=lessons.matrix, recipe=kept.recipe, trees=grown.trees, lean=lean, text=grown.text,
        usual=usual, curve=curve, level=level, step=step, doubt=doubt,
        typical=_typical(lessons.table[known], usual, lessons.matrix.names),
        expected=_expected(lessons.features), check=grown.check,
        note=_note(lessons, tried, kept, (as_of, seed)),
    )  # fmt: skip
    ended = lessons.found.matured
    said = scorer.margin(lessons.table[ended])
    return replace(scorer, lots=effects(lessons.features[ended], said, lessons.found.closed[ended]))


def prepare(frame: pd.DataFrame, *, as_of: pd.Timestamp) -> Lessons:
    """Return the rows that teach as a matrix, after every check that could refuse them."""
    rows = frame[frame["event_timestamp"] < as_of].sort_values(
        ["event_timestamp", "lead_id"], kind="stable"
    )
    rows = hide_later(rows.reset_index(drop=True), as_of)
    found = labels(rows)
    closed = int(found.closed[found.weight > 0].sum())
    if closed < FEWEST_CLOSINGS or closed == int((found.weight > 0).sum()):
        raise NotEnoughData(
            f"expected at least {FEWEST_CLOSINGS} closings and leads that did not close before "
            f"{as_of:%Y-%m-%d}, got {closed} closings of {int((found.weight > 0).sum())} rows"
        )
    features = feature_frame(rows)
    truth = closings(rows)
    admit(rows, features, truth)
    matrix, table = fit_matrix(features, rows, horizon_days=horizon_of(rows))
    table = prepared(table, matrix.names)
    admit_table(rows, matrix.names, table, truth)
    return Lessons(rows, features, matrix, table, found)


def _course(lessons: Lessons) -> tuple[Course, float]:
    rows, table, names = lessons.rows, lessons.table, lessons.matrix.names
    found = lessons.found
    usual = _usual(table, names, found)
    followed = starting_log_odds(table, names, usual=usual, follows_rate=True)
    seen = np.where(np.isin(names, _unseen(rows)), np.nan, table)
    lesson = Lesson(seen, found.closed, found.weight, np.full(len(rows), level_of(usual)))
    arrived = microseconds(rows["created_at"])
    order = np.lexsort((pd.factorize(rows["lead_id"])[0], arrived))
    changes = rows["lead_id"].to_numpy()[order]
    number = np.cumsum(np.concatenate([[0], changes[1:] != changes[:-1]]))
    lead = np.empty(len(rows), np.int64)
    lead[order] = number
    groups = fairness.groups_of(rows)
    known = found.weight > 0
    course = Course(
        lesson, followed, directions(lessons.matrix), lead, found.matured, names,
        _clocks(seen[known], lead[known], names), groups, _told(seen, names, groups),
    )  # fmt: skip
    return course, usual


def _unseen(rows: pd.DataFrame) -> list[str]:
    """Return what trees may not split on: the rate, which tells the time, and seasons seen once."""
    return [RATE, *seen_too_seldom(rows)]


def _usual(table: FloatArray, names: tuple[str, ...], found: Labels) -> float:
    """Return how often leads close: the median of the rate as known, else the share of closings.

    Where the rate is not known yet trees start from it too, so it has to be of the rate's own kind.
    """
    known = found.weight > 0
    rate = table[known, names.index(RATE)] if RATE in names else np.array([np.nan])
    if np.mean(~np.isnan(rate)) >= USUAL:
        return float(np.nanmedian(rate))
    return float(np.average(found.closed, weights=found.weight))


def _clocks(table: FloatArray, lead: IntArray, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns whose later half is unlike their earlier: what they say, the date says."""
    from scipy.stats import ks_2samp

    later = lead >= np.median(lead)
    found = []
    for at, name in enumerate(names):
        halves = [table[half & ~np.isnan(table[:, at]), at] for half in (~later, later)]
        if min(map(len, halves)) < FEWEST_CLOSINGS:
            continue
        if ks_2samp(*halves, method="asymp").statistic > CLOCK:
            found.append(name)
    return tuple(found)


def _told(table: FloatArray, names: tuple[str, ...], groups: fairness.Groups) -> tuple[str, ...]:
    """Return the columns that tell a protected group from the rest, best first."""
    if not groups:
        return ()
    best = {
        name: max(fairness.told_apart(pd.Series(table[:, at]), groups).values(), default=0.5)
        for at, name in enumerate(names)
        if not np.isnan(table[:, at]).all()
    }
    return tuple(sorted((n for n in best if best[n] > 0.55), key=lambda n: -best[n]))


def _calibrated(lessons: Lessons, kept: Tried) -> tuple[Curve, float, float, FloatArray]:
    """Return curve, step and level learned from rows that the trees had not seen, and their log-odds."""
    closed = lessons.found.closed[kept.rows]
    curve = fit_curve(kept.raw, closed, np.ones(len(closed)))
    margin = curve(kept.raw)
    asked = microseconds(lessons.rows["event_timestamp"])[kept.rows]
    known = known_at(lessons.rows)[kept.rows]
    step = choose_step(margin, closed, asked, known)
    moved, level = follow_level(margin, closed, known, asked, step=step)
    return curve, step, level, margin + moved


def known_at(rows: pd.DataFrame) -> IntArray:
    """Return when it is known whether each row closed within its horizon, in microseconds."""
    due = rows["event_timestamp"] + pd.Timedelta(days=horizon_of(rows))
    told = rows["ended_known_at"].where(rows["ended_at"] <= due)
    return np.maximum(microseconds(due), microseconds(told.fillna(rows["event_timestamp"])))


def _typical(table: FloatArray, usual: float, names: tuple[str, ...]) -> FloatArray:
    """Return the typical lead: each column's median, unknown where most leads do not have it."""
    rows = [
        float(np.nanmedian(column)) if np.mean(~np.isnan(column)) >= USUAL else np.nan
        for column in table.T
    ]
    typical = np.array(rows)
    if RATE in names:
        typical[names.index(RATE)] = usual
    return typical


def _expected(features: pd.DataFrame) -> tuple[str, ...]:
    """Return what nearly all leads have, of what can be unknown: clocks and calendar never are."""
    always = {*CLOCK_FEATURES, "time_month", "time_weekday", "time_hour"}
    share = features.notna().mean()
    return tuple(
        str(name) for name in features if name not in always and share[str(name)] >= NEARLY_ALL
    )


def _note(
    lessons: Lessons, tried: list[Tried], kept: Tried, made: tuple[pd.Timestamp, int]
) -> dict[str, Any]:
    found = lessons.found
    return {
        "as_of": made[0].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seed": made[1],
        "horizon_days": horizon_of(lessons.rows),
        "leads": int(lessons.rows["lead_id"].nunique()),
        "rows": int((found.weight > 0).sum()),
        "closings": int(found.closed[found.weight > 0].sum()),
        "kept": kept.recipe.name,
        "data_fingerprint": fingerprint({"table": lessons.table, "closed": found.closed}),
        "tried": [t.as_json() for t in sorted(tried, key=lambda t: t.loss)],
    }
