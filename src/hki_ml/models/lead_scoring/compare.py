"""Which way of growing trees foretells later leads best, and of equals which treats groups most alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.fairness import Groups
from hki_ml.metrics.classification import auc, row_log_loss
from hki_ml.metrics.groups import treatment
from hki_ml.models.lead_scoring.boosters import LIGHTGBM, XGBOOST, Lesson, Recipe, grow
from hki_ml.models.lead_scoring.lean import Lean, fit_lean

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FOLDS = (0.5, 0.625, 0.75, 0.875, 1.0)
"""Shares of the leads in order of arrival: each stretch is judged by what came before it."""
FIRST_DEPTH, OTHER_DEPTHS = 2, (1, 4)
DEEPEST = 7  # tried where 4 was better than 2
ROUNDS = 400
MOST_ROWS = 40_000  # a comparison needs no more; leads are drawn whole
ALL_ROWS = 400_000  # what is kept is tried again on so many


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Everything that a comparison is run on.

    Attributes
    ----------
    lesson
        All rows that teach, trees starting from the usual rate.
    followed
        Where trees start if they follow the rate, shape ``(n,)``.
    directions
        See ``features.directions``.
    lead
        A number a lead, in order of arrival, shape ``(n,)``.
    matured
        Rows that have had their horizon: only these are judged on.
    clocks
        Names of columns that tell the time: what a model may be better off without.
    names
        Columns of the matrix.
    groups
        Protected attributes, for audits only.
    told
        How well each column tells a protected group, best first; names.
    """

    lesson: Lesson
    followed: FloatArray
    directions: IntArray
    lead: IntArray
    matured: NDArray[np.bool_]
    names: tuple[str, ...]
    clocks: tuple[str, ...]
    groups: Groups = field(default_factory=dict)
    told: tuple[str, ...] = ()

    def lesson_of(self, recipe: Recipe) -> Lesson:
        """Return the rows as a recipe sees them."""
        start = self.followed if recipe.follows_rate else self.lesson.start
        lesson = replace(self.lesson, start=start)
        if not recipe.without:
            return lesson
        return lesson.masked(np.array([name not in recipe.without for name in self.names]))


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """One recipe with its best number of trees and what it said of rows that it had not seen.

    ``rows`` are those judged, ``raw`` their log-odds.
    """

    recipe: Recipe
    loss: float
    deviation: float
    auc: float
    rows: IntArray
    raw: FloatArray
    treated: Mapping[str, Any] = field(default_factory=dict)
    discrimination: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return what the comparison keeps of it."""
        kept = {
            "name": self.recipe.name, "log_loss": self.loss, "standard_error": self.deviation,
            "auc": self.auc, "rounds": self.recipe.rounds,
        }  # fmt: skip
        return kept | ({"groups": dict(self.treated)} if self.treated else {})


def compare(
    course: Course, *, seed: int, threads: int, chosen: Recipe | None = None
) -> tuple[Tried, list[Tried]]:
    """Return the recipe to keep, and all that were tried; one that was chosen before is tried alone.

    Both libraries are always tried, with and without following the rate, without the columns that tell
    the time if there are any, and starting from a regression. Of recipes whose loss is within one
    standard error of the best the one that treats protected groups most alike is kept, where groups are
    known; else the best. What was chosen on a draw is tried once more on all rows: more rows bear more
    trees, and a curve learned from what weaker trees said would make the final ones' odds too timid.
    """
    tried: list[Tried] = []
    if chosen is not None:
        once = try_recipe(course, chosen, seed=seed, threads=threads, most_rows=ALL_ROWS)
        return once, [once]

    def run(recipes: list[Recipe]) -> None:
        tried.extend(try_recipe(course, r, seed=seed, threads=threads) for r in recipes)

    run([
        Recipe(library, FIRST_DEPTH, follows, without)
        for library in (XGBOOST, LIGHTGBM)
        for follows in (False, True)
        for without in dict.fromkeys([(), course.clocks])
        if not follows or not np.array_equal(course.followed, course.lesson.start)
    ])  # fmt: skip
    leader = min(tried, key=lambda t: t.loss).recipe
    run([replace(leader, library=library, leans=True) for library in (XGBOOST, LIGHTGBM)])
    leader = min(tried, key=lambda t: t.loss).recipe
    depths = [(library, depth) for library in (XGBOOST, LIGHTGBM) for depth in OTHER_DEPTHS]
    run([replace(leader, library=library, depth=depth, rounds=ROUNDS) for library, depth in depths])
    if min(tried, key=lambda t: t.loss).recipe.depth == max(OTHER_DEPTHS):
        leader = min(tried, key=lambda t: t.loss).recipe
        run(
            [
                replace(leader, library=lib, depth=DEEPEST, rounds=ROUNDS)
                for lib in (XGBOOST, LIGHTGBM)
            ]
        )
    if course.groups:
        leader = min(tried, key=lambda t: t.loss).recipe
        gone = [tuple(dict.fromkeys([*leader.without, *course.told[:k]])) for k in (1, 2, 3)]
        run([replace(leader, without=names, rounds=ROUNDS) for names in dict.fromkeys(gone)])
    kept = keep(tried)
    if int((course.lesson.weight > 0).sum()) > MOST_ROWS:
        kept = try_recipe(course, kept.recipe, seed=seed, threads=threads, most_rows=ALL_ROWS)
    return kept, tried


def keep(tried: list[Tried]) -> Tried:
    """Return the least discriminatory recipe within one standard error of the best; ties to the better."""
    best = min(tried, key=lambda t: t.loss)
    equals = [t for t in tried if t.loss <= best.loss + best.deviation]
    return min(equals, key=lambda t: (round(t.discrimination, 6), t.loss))


def try_recipe(
    course: Course, recipe: Recipe, *, seed: int, threads: int, most_rows: int = MOST_ROWS
) -> Tried:
    """Grow a recipe on the leads before each stretch and judge it there; keep the best number of trees."""
    recipe = replace(recipe, rounds=ROUNDS)
    lesson = course.lesson_of(recipe)
    grown = []
    usable = lesson.weight > 0
    for before, judged in folds(
        course.lead, usable, course.matured, most_rows=most_rows, seed=seed
    ):
        taught, later, _ = leaned(recipe, course, lesson.take(before), lesson.take(judged))
        found = grow(recipe, taught, course.directions, judge=later, seed=seed, threads=threads)
        grown.append((found, later, judged))
    sizes = np.array([later.weight.sum() for _, later, _ in grown])
    path = np.average([found.path for found, *_ in grown], axis=0, weights=sizes)
    recipe = replace(recipe, rounds=int(path.argmin()) + 1)
    rows = np.concatenate([judged for *_, judged in grown])
    raw = np.concatenate([
        later.start + found.trees.first(recipe.rounds).predict(later.table)
        for found, later, _ in grown
    ])  # fmt: skip
    return _judged(course, recipe, rows, raw)


def leaned(
    recipe: Recipe, course: Course, taught: Lesson, later: Lesson
) -> tuple[Lesson, Lesson, Lean | None]:
    """Return the rows starting from the regression that is learned on those that teach, if asked for."""
    if not recipe.leans:
        return taught, later, None
    lean = fit_lean(taught, course.directions)
    return _started(taught, lean), _started(later, lean), lean


def _started(lesson: Lesson, lean: Lean) -> Lesson:
    return replace(lesson, start=lesson.start + lean(lesson.table))


def folds(
    lead: IntArray,
    usable: NDArray[np.bool_],
    judgeable: NDArray[np.bool_],
    *,
    most_rows: int,
    seed: int,
) -> list[tuple[IntArray, IntArray]]:
    """Return rows of the leads before, and of the leads in, each stretch; of very many leads a draw."""
    leads = np.unique(lead[usable])
    share = min(1.0, most_rows / max(int(usable.sum()), 1))
    if share < 1:
        drawn = np.random.default_rng(seed).random(len(leads)) < share
        usable = usable & np.isin(lead, leads[drawn])
    edges = np.quantile(lead[usable & judgeable], FOLDS)
    edges[-1] += 1
    found = []
    for start, stop in pairwise(edges):
        before = np.flatnonzero(usable & (lead < start))
        judged = np.flatnonzero(usable & judgeable & (lead >= start) & (lead < stop))
        if len(before) and len(judged):
            found.append((before, judged))
    return found


def _judged(course: Course, recipe: Recipe, rows: IntArray, raw: FloatArray) -> Tried:
    closed, weight = course.lesson.closed[rows], course.lesson.weight[rows]
    loss = weight * row_log_loss(closed, 1 / (1 + np.exp(-raw)))
    _, lead = np.unique(course.lead[rows], return_inverse=True)
    mean = float(loss.sum() / weight.sum())
    by_lead = np.bincount(lead, loss - mean * weight)
    treated = {name: treatment(closed, raw, group[rows]) for name, group in course.groups.items()}
    return Tried(
        recipe, mean, float(np.sqrt(np.sum(by_lead**2)) / weight.sum()), auc(closed, raw, weight),
        rows, raw, {name: t.as_json() for name, t in treated.items()},
        sum(t.discrimination for t in treated.values()),
    )  # fmt: skip
