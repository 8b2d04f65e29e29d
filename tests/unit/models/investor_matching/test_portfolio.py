from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.models.investor_matching.portfolio import capacity_of, greedy, together

markets = st.tuples(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 15))


def market(seed: int, deals: int, people: int) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    margins = chance.normal(size=(deals, 1)) + chance.normal(size=(deals, people)) - 1
    margins[chance.random((deals, people)) < 0.3] = -np.inf
    left = np.where(chance.random(people) < 0.2, np.nan, chance.integers(0, 4, people))
    return margins, left


@settings(max_examples=60, deadline=None)
@given(markets)
def test_nobody_is_over_capacity_and_together_is_never_worse(asked):
    margins, left = market(*asked)
    by_deal, whole = greedy(margins, left), together(margins, left)
    assert whole.expected >= by_deal.expected - 1e-9
    for found in (by_deal, whole):
        used = np.bincount(found.investor, minlength=len(left))
        assert (used <= capacity_of(left)).all()
        assert np.bincount(found.deal, minlength=len(margins)).max(initial=0) <= 5
        pairs = set(zip(found.deal.tolist(), found.investor.tolist(), strict=True))
        assert len(pairs) == len(found.deal)
        assert np.isfinite(margins[found.deal, found.investor]).all()


def test_the_assignment_is_the_best_of_all_that_there_are():
    margins = np.array([[2.0, 1.9], [2.0, -3.0]])
    left = np.array([1.0, 1.0])
    found = together(margins, left, a_deal=1)
    assert sorted(zip(found.deal.tolist(), found.investor.tolist(), strict=True)) == [
        (0, 1),
        (1, 0),
    ]
    assert greedy(margins, left, a_deal=1).expected < found.expected


def test_a_second_offer_is_worth_less_than_a_first():
    margins = np.zeros((2, 1))
    found = together(margins, np.array([2.0]), tiring=1.0)
    assert found.turn.tolist() == [0, 1] or found.turn.tolist() == [1, 0]
    assert found.expected == pytest.approx(0.5 + 1 / (1 + np.e))


def test_nothing_open_is_nothing_offered():
    assert together(np.zeros((0, 3)), np.ones(3)).expected == 0
    assert together(np.full((2, 3), -np.inf), np.ones(3)).expected == 0
