from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.learning.encoding import NO_KEY, Ledger, keys, row_keys
from hki_ml.learning.intervals import LEVELS, Debts, Outcomes, learn_widths
from hki_ml.learning.packed_trees import PackedTrees, pack_forest, pack_lightgbm
from hki_ml.models.valuation.neighbours import Tree


def _rows(n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    table = random.normal(size=(n, 5))
    target = table[:, 0] * 2 + np.sin(table[:, 1])
    table[random.random((n, 5)) < 0.1] = np.nan
    return table, target


def test_packed_boosting_equals_lightgbm_on_256_rows_with_gaps() -> None:
    import lightgbm

    table, target = _rows()
    settings_ = {"verbose": -1, "num_threads": 1}
    booster = lightgbm.train(settings_, lightgbm.Dataset(table, target), 30)
    packed = PackedTrees.of_arrays(pack_lightgbm(booster).arrays())
    np.testing.assert_allclose(packed.predict(table[:256]), booster.predict(table[:256]), atol=1e-4)


def test_packed_forest_equals_scikit_learn_on_256_rows_with_gaps() -> None:
    from sklearn.ensemble import RandomForestRegressor

    table, target = _rows()
    forest = RandomForestRegressor(15, random_state=0).fit(table.astype(np.float32), target)
    packed = pack_forest(forest)
    np.testing.assert_allclose(packed.predict(table[:256]), forest.predict(table[:256]), atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 300))
def test_the_nearest_earlier_sales_are_exactly_those_of_a_plain_search(seed: int, n: int) -> None:
    random = np.random.default_rng(seed)
    day = random.integers(0, 50, n)
    points = np.column_stack([np.round(random.normal(size=(n, 2)), 1), day / 20])
    key = random.integers(1, 4, (n, 2))
    penalty = np.array([0.5, 1.0])
    tree = Tree.of(points, key, penalty, day)
    rows, far = tree.nearest(points, key, day, count=5)
    for i in range(n):
        earlier = np.flatnonzero(day < day[i])
        d = ((points[earlier] - points[i]) ** 2).sum(axis=1)
        d += ((key[earlier] != key[i]) * penalty).sum(axis=1)
        wanted = np.sort(d)[:5]
        np.testing.assert_allclose(far[i, : len(wanted)], wanted, atol=1e-9)
        assert (day[rows[i, rows[i] >= 0]] < day[i]).all()


def test_a_ledger_never_reads_the_same_or_a_later_day() -> None:
    ledger = Ledger.of(keys(["a", "a", "a"]), np.array([1, 5, 9]), np.array([1.0, 10.0, 100.0]))
    read = ledger.read(keys(["a", "a", "b"]), np.array([5, 1, 9]), half_life_days=1e9, shrink=0.0)
    assert read[0, 0] == pytest.approx(1.0)
    assert np.isnan(read[1, 2])
    assert np.isnan(read[2, 2])


def test_equal_facts_have_equal_keys_and_missing_levels_none() -> None:
    a, b = row_keys([np.array([1.0, 1.0]), np.array([np.nan, np.nan])])
    assert a == b
    assert keys([None])[0] == NO_KEY


def test_widths_cover_what_they_promise_on_the_outcomes_they_learned_from() -> None:
    random = np.random.default_rng(0)
    score = np.abs(random.normal(size=4_000))
    group = random.integers(1, 5, 4_000)
    told = Outcomes.unjudged(score, np.zeros(4_000, np.int64), group)
    widths = learn_widths(told, as_of=1)
    for j, level in enumerate(LEVELS):
        assert np.mean(score <= widths.of(group)[:, j]) == pytest.approx(level, abs=0.02)


def test_outcomes_of_the_day_itself_teach_nothing() -> None:
    told = Outcomes.unjudged(np.array([1.0, 9.0]), np.array([1, 2]), np.array([0, 0]))
    assert learn_widths(told, as_of=2).overall.max() == 1.0


def test_a_group_that_missed_too_often_is_widened_until_it_has_repaid() -> None:
    missed = np.ones((5, len(LEVELS)))
    told = Outcomes(np.ones(5), np.arange(5), np.full(5, 7), missed)
    plain = learn_widths(told, as_of=10)
    wider = plain.repaying(Debts.of(told, as_of=10))
    assert (wider.of(np.array([7])) > plain.of(np.array([7]))).all()
