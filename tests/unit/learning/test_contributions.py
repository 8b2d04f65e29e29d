from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.learning.contributions import coalitions, path_contributions, paths, shapley

worths = st.integers(1, 5).flatmap(
    lambda groups: st.lists(st.floats(-1e6, 1e6), min_size=2**groups, max_size=2**groups)
)


@given(worths)
def test_contributions_sum_to_the_whole_difference(worth):
    values = np.array(worth)
    assert np.isclose(shapley(values).sum(), values[-1] - values[0], rtol=1e-9, atol=1e-6)


@given(worths.filter(lambda worth: len(worth) <= 16))
def test_a_contribution_is_the_average_over_all_orders(worth):
    values = np.array(worth)
    groups = int(np.log2(len(values)))
    average = np.zeros(groups)
    orders = list(permutations(range(groups)))
    for order in orders:
        seen = 0
        for group in order:
            average[group] += values[seen | 1 << group] - values[seen]
            seen |= 1 << group
    assert np.allclose(shapley(values), average / len(orders), atol=1e-4)


def test_a_group_that_changes_nothing_contributes_nothing():
    worth = coalitions(3)[:, :2] @ np.array([3.0, 4.0])
    assert np.allclose(shapley(worth), [3.0, 4.0, 0.0])


@given(st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=6))
def test_two_orders_are_exact_where_no_three_groups_interact(numbers):
    one, two = np.array(numbers[:3]), np.array(numbers[3:])

    def answer(switched):
        on = switched.astype(float)
        pairs = on[:, [0, 0, 1]] * on[:, [1, 2, 2]]
        return on @ one + pairs @ two

    exact = shapley(answer(coalitions(3)))
    assert np.allclose(path_contributions(answer(paths(3))), exact, atol=1e-6)


def test_paths_begin_at_the_reference_and_end_at_the_subject():
    rows = paths(4)
    assert not rows[0].any()
    assert rows[4].all()
    assert not rows[5].any()
    assert rows[9].all()
