"""The regression that trees may start from: its signs, its gaps, and reasons that hold it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hki_ml.learning.contributions import coalitions
from hki_ml.models.lead_scoring.boosters import Lesson
from hki_ml.models.lead_scoring.compare import try_recipe
from hki_ml.models.lead_scoring.explain import Explainer
from hki_ml.models.lead_scoring.lean import Lean, fit_lean
from hki_ml.models.lead_scoring.train import _course, prepare
from tests.unit.models.lead_scoring.conftest import CUTOFF


@pytest.fixture(scope="module")
def lesson():
    random = np.random.default_rng(4)
    table = random.normal(size=(4_000, 4))
    logit = -1.0 + 1.2 * table[:, 0] - 0.8 * table[:, 1]
    closed = (random.random(4_000) < 1 / (1 + np.exp(-logit))).astype(float)
    table[random.random(4_000) < 0.3, 1] = np.nan
    table[:, 3] = 7.0
    return Lesson(table, closed, np.ones(4_000), np.full(4_000, -0.5))


def test_the_weights_are_those_that_made_the_leads(lesson):
    lean = fit_lean(lesson, np.zeros(4, np.int64))
    assert lean.slope[0] / lean.scale[0] == pytest.approx(1.2, abs=0.15)
    assert lean.slope[1] / lean.scale[1] == pytest.approx(-0.8, abs=0.15)
    assert abs(lean.slope[2]) < 0.1
    assert lean.slope[3] == lean.unknown[3] == 0
    said = 1 / (1 + np.exp(-(lesson.start + lean(lesson.table))))
    assert said.mean() == pytest.approx(lesson.closed.mean(), abs=0.003)


def test_a_weight_never_goes_against_its_direction(lesson):
    lean = fit_lean(lesson, np.array([-1, 1, 0, 0]))
    assert lean.slope[0] <= 0
    assert lean.slope[1] >= 0


def test_a_level_is_learned_where_nobody_closed(lesson):
    nobody = replace(lesson, closed=np.zeros(4_000))
    lean = fit_lean(nobody, np.zeros(4, np.int64))
    assert np.isfinite(lean(lesson.table)).all()
    assert (lean(lesson.table) < 0).all()


def test_what_is_far_out_counts_no_more_than_ten_deviations(lesson):
    lean = fit_lean(lesson, np.zeros(4, np.int64))
    far, farther = lean(np.array([[1e3, 0, 0, 7.0], [1e9, 0, 0, 7.0]]))
    assert far == farther


def test_arrays_hold_everything(lesson):
    lean = fit_lean(lesson, np.zeros(4, np.int64))
    again = Lean.of_arrays(lean.arrays())
    assert np.array_equal(again(lesson.table), lean(lesson.table))


@pytest.fixture(scope="module")
def leaning(leads, scorer):
    course, _ = _course(prepare(leads, as_of=CUTOFF))
    recipe = replace(scorer.recipe, leans=True)
    known = np.flatnonzero(course.lesson.weight > 0)
    lean = fit_lean(course.lesson_of(recipe).take(known), course.directions)
    assert np.abs(lean.slope).sum() > 0.5
    return replace(scorer, recipe=recipe, lean=lean), course


def test_each_coalition_is_what_the_scorer_says_of_the_mixed_lead(leaning, later):
    scorer, _ = leaning
    explainer = Explainer.of(scorer.matrix.factors, scorer.typical, scorer.recipe.follows_rate)
    for row in scorer.table(later.head(20)):
        values, reference = explainer.values(scorer, row)
        assert reference + values.sum() == pytest.approx(scorer.margin(row[None])[0], abs=1e-9)
        members = coalitions(len(explainer.factors))
        worth = np.array([
            scorer.margin(np.where(held[explainer.group], row, scorer.typical)[None])[0]
            for held in members
        ])  # fmt: skip
        assert explainer.weights @ worth == pytest.approx(values, abs=1e-9)


def test_a_stretch_is_judged_by_a_regression_of_what_came_before(leaning, monkeypatch):
    scorer, course = leaning
    asked = []

    def watched(lesson, directions):
        asked.append(len(lesson.closed))
        return fit_lean(lesson, directions)

    monkeypatch.setattr("hki_ml.models.lead_scoring.compare.fit_lean", watched)
    tried = try_recipe(course, scorer.recipe, seed=0, threads=1)
    assert asked == sorted(asked)
    assert asked[-1] < len(course.lesson.closed)
    assert np.isfinite(tried.raw).all()
