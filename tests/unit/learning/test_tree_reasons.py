import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.learning.contributions import coalitions
from hki_ml.learning.tree_reasons import coalition_sums, groups_of
from hki_ml.models.lead_scoring.boosters import LIGHTGBM, XGBOOST, Lesson, Recipe, grow

COLUMNS, GROUPS = 8, 4
GROUP = np.arange(COLUMNS) % GROUPS


def table(seed, n):
    random = np.random.default_rng(seed)
    rows = random.normal(size=(n, COLUMNS))
    rows[random.random(rows.shape) < 0.15] = np.nan
    return rows


@pytest.fixture(scope="module", params=[XGBOOST, LIGHTGBM])
def grown(request):
    rows = table(0, 2_000)
    filled = np.nan_to_num(rows)
    logit = filled[:, 0] * filled[:, 1] + filled[:, 2] - filled[:, 5] * filled[:, 7]
    closed = (np.random.default_rng(1).random(2_000) < 1 / (1 + np.exp(-logit))).astype(float)
    lesson = Lesson(rows, closed, np.ones(2_000), np.zeros(2_000))
    directions = np.zeros(COLUMNS, np.int64)
    return grow(
        Recipe(request.param, 4, follows_rate=False, rounds=40),
        lesson,
        directions,
        seed=0,
        threads=1,
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_one_walk_gives_what_every_mixture_of_both_rows_gives(grown, seed):
    lead, reference = table(seed, 2)
    mixed = np.where(coalitions(GROUPS)[:, GROUP], lead, reference)
    found = coalition_sums(grown.trees, GROUP, (lead, reference))
    assert np.array_equal(found, grown.trees.predict(mixed))


def test_packed_trees_say_what_the_library_says(grown):
    rows, native = grown.check
    assert grown.trees.predict(rows) == pytest.approx(native, abs=1e-5)


def test_too_many_groups_are_refused():
    with pytest.raises(ValueError, match="at most 12 groups, got 13"):
        groups_of([f"g{i}" for i in range(13)])


def test_a_number_beyond_single_precision_counts_as_the_largest_and_nan_stays():
    from hki_ml.learning.packed_trees import single

    found = single(np.array([1e300, -1e300, 3e38, np.nan]))
    assert np.isfinite(found[:3]).all()
    assert np.isnan(found[3])
    assert found[0] == -found[1] == np.finfo(np.float32).max
