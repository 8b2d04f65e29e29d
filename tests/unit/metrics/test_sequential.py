"""The confidence sequence errs seldom at every look together, through shares that change, and sees harm."""

from __future__ import annotations

import numpy as np
import pytest

from hki_ml.metrics.sequential import FEWEST_EACH, difference, ratio_mismatch


def stream(seed: int, *, effect: float = 0.0, n: int = 4_000):
    """Leads by day, the share growing 10-50 % while the base rate rises: the trap of pooled shares."""
    made = np.random.default_rng(seed)
    share = np.where(np.arange(n) < n // 3, 0.10, 0.50)
    rate = np.linspace(0.08, 0.14, n)
    treated = made.random(n) < share
    outcome = (made.random(n) < np.clip(rate * (1 + effect * treated), 0, 1)).astype(float)
    return outcome, treated, share


def looks(seed: int, **more):
    outcome, treated, share = stream(seed, **more)
    for end in range(200, len(outcome) + 1, 200):
        yield difference(outcome[:end], treated[:end], share[:end])


def test_equal_arms_are_seldom_told_apart_though_looked_at_every_day():
    wrong = sum(any(not each.low <= 0 <= each.high for each in looks(seed)) for seed in range(200))
    assert wrong <= 10


def test_shares_that_change_while_the_market_does_bias_a_plain_difference_and_not_ours():
    streams = [stream(seed) for seed in range(100)]
    ours = np.mean([difference(*each).mean for each in streams])
    plain = np.mean([y[treated].mean() - y[~treated].mean() for y, treated, _ in streams])
    assert plain > 0.008
    assert abs(ours) < 0.004


def test_a_challenger_that_loses_half_of_the_closings_is_found_out():
    found = [any(each.high < 0 for each in looks(seed, effect=-0.6)) for seed in range(50)]
    assert sum(found) >= 45


def test_below_so_many_an_arm_there_is_no_interval():
    outcome, treated, share = stream(1, n=FEWEST_EACH)
    said = difference(outcome, treated, share)
    assert (said.low, said.high) == (-np.inf, np.inf)
    assert said.treated + said.others == FEWEST_EACH


@pytest.mark.parametrize(("kept", "broken"), [(1.0, False), (0.7, True)])
def test_a_split_that_loses_some_is_seen(kept, broken):
    made = np.random.default_rng(0)
    treated = made.random(6_000) < 0.5
    there = ~treated | (made.random(6_000) < kept)
    p = ratio_mismatch(treated[there], np.full(there.sum(), 0.5))
    assert (p < 0.001) is broken
