from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.serving.money import dollars, parts

amounts = st.lists(st.floats(-1e7, 1e7, allow_nan=False), min_size=1, max_size=12)


@given(amounts)
def test_the_parts_add_up_to_the_rounded_total_and_none_is_off_by_a_dollar(given_amounts):
    total = dollars(math.fsum(given_amounts))
    shown = parts(given_amounts, total)
    assert sum(shown) == total
    assert all(abs(a - b) <= 1 + 1e-9 for a, b in zip(shown, given_amounts, strict=True))


@given(st.floats(-1e12, 1e12, allow_nan=False))
def test_a_dollar_amount_is_the_nearest_whole_number_and_odd_under_sign(amount):
    assert abs(dollars(amount) - amount) <= 0.5
    assert dollars(-amount) == -dollars(amount)


@given(amounts, st.floats(-1e6, 1e6), st.floats(1e3, 1e6))
def test_a_price_plus_its_shown_adjustments_is_the_shown_adjusted_price(lines, start, rise):
    price = abs(start) + rise
    adjusted = price + math.fsum(lines)
    shown = parts(lines, dollars(adjusted) - dollars(price))
    assert dollars(price) + sum(shown) == dollars(adjusted)


def test_parts_that_do_not_add_up_are_refused_instead_of_spread():
    with pytest.raises(ValueError, match="add up to 100"):
        parts([10.0, 20.0], 100)


def test_no_parts_of_nothing_are_nothing():
    assert parts([], 0) == []
