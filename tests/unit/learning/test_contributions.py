from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.learning.contributions import coalitions, shapley, split_ratio

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


@given(st.floats(1.0, 1e7), st.lists(st.floats(-1, 1), min_size=1, max_size=12))
def test_parts_of_a_product_sum_to_its_change(start, logs):
    parts = split_ratio(start, np.array(logs))
    assert np.isclose(parts.sum(), start * np.expm1(sum(logs)), rtol=1e-9, atol=start * 1e-9)


@given(st.floats(1.0, 1e7), st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_parts_have_the_sign_of_their_factor_and_no_order(start, logs):
    parts = split_ratio(start, np.array(logs))
    assert np.all(parts * np.array(logs) >= 0)
    assert np.allclose(parts[::-1], split_ratio(start, np.array(logs[::-1])))
