"""Calls go where they bring the most, no caller is over time, and what is left out is said why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.decisions.calls import CallTerms, call_list, why_not
from hki_ml.errors import BadInput

gains = st.lists(st.floats(-0.2, 0.4), min_size=1, max_size=40)


@given(gains, st.integers(1, 4), st.floats(1, 90), st.integers(0, 2**32 - 1))
def test_every_lead_is_in_one_place_and_nobody_calls_beyond_their_time(
    gain, callers, minutes, seed
):
    change = np.array(gain)
    value = np.random.default_rng(seed).uniform(1e5, 1e6, len(change))
    terms = CallTerms(callers=callers, minutes=minutes)
    found = call_list(change, value, terms)
    called = [each.lead for each in found.calls]
    assert sorted([*called, *found.no_time, *found.not_worth]) == list(range(len(change)))
    for each in found.calls:
        assert each.after_minutes + terms.minutes_per_call <= minutes
        assert 0 <= each.caller < callers
    turns = [(each.caller, each.after_minutes) for each in found.calls]
    assert len(turns) == len(set(turns))
    profit = found.expected_profit_usd
    assert list(profit[called]) == sorted(profit[called], reverse=True)
    assert (profit[found.not_worth] <= 0).all()
    if len(found.no_time) and called:
        assert profit[found.no_time].max() <= profit[called].min()


def test_the_surest_lead_is_not_the_one_to_call():
    gain = np.array([0.001, 0.12, 0.05])  # closes anyway; undecided; undecided, a dearer home
    found = call_list(gain, np.array([4e5, 2e5, 9e5]), CallTerms(minutes=24))
    assert [each.lead for each in found.calls] == [2, 1]
    assert found.calls[0].expected_profit_usd == pytest.approx(0.05 * 9e5 * 0.05 - 9)


def test_a_home_of_unknown_worth_counts_as_the_usual_one():
    found = call_list(np.array([0.1]), np.array([np.nan]), CallTerms(usual_value_usd=200_000))
    assert found.calls[0].expected_profit_usd == pytest.approx(0.1 * 200_000 * 0.05 - 9)


def test_what_is_not_worth_a_call_is_said_why():
    assert "costs $9" in why_not(0.0001, 300_000, CallTerms())
    assert "more likely" in why_not(-0.01, 300_000, CallTerms())


@pytest.mark.parametrize("wrong", [{"callers": 0}, {"minutes": 0.0}, {"profit_rate": float("nan")}])
def test_terms_that_mean_nothing_are_refused_by_name(wrong):
    with pytest.raises(BadInput, match=next(iter(wrong))):
        call_list(np.array([0.1]), np.array([1e5]), CallTerms(**wrong))
