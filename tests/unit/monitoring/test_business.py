"""What a decision brings is told by who was kept out of it, in closings and in dollars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hki_ml.monitoring.business import Arms, conversion_gain, money_gain
from hki_ml.monitoring.check import Rules, settled


def arms(seed: int, n: int = 4_000, *, treated: float, held_out: float) -> Arms:
    """Return leads of homes of some 300,000 USD, closing with these odds."""
    random = np.random.default_rng(seed)
    arm = np.array(["fast", "usual"])[random.integers(0, 2, n)]
    odds = np.where(arm == "fast", treated, held_out)
    closed, value = random.random(n) < odds, np.exp(random.normal(12.6, 0.4, n))
    return Arms.of(
        pd.Series(closed.astype(float)), pd.Series(value), pd.Series(arm),
        treated="fast", held_out="usual",
    )  # fmt: skip


def test_harm_to_conversion_is_named_and_few_leads_say_nothing() -> None:
    harmed = conversion_gain(arms(1, treated=0.1, held_out=0.2))
    assert harmed.lower < -0.1 < harmed.upper < 0
    alarm = settled(harmed, (), Rules())
    assert (alarm.alarm, alarm.severity) == (True, "critical")
    assert not settled(conversion_gain(arms(1, treated=0.2, held_out=0.2)), (), Rules()).alarm
    few = arms(1, n=200, treated=0.1, held_out=0.2)
    assert conversion_gain(few).signal is None
    assert [each.value for each in money_gain(few, profit_rate=0.05, cost_usd=9.0)] == [None, None]


def test_money_intervals_hold_what_a_decision_is_worth() -> None:
    mean_value = float(np.exp(12.6 + 0.4**2 / 2))
    worth = 0.05 * 0.03 * mean_value - 9.0
    held = roi_held = 0
    for seed in range(300):
        net, roi = money_gain(
            arms(seed, treated=0.13, held_out=0.10), profit_rate=0.05, cost_usd=9.0
        )
        held += net.lower <= worth <= net.upper
        roi_held += roi.lower <= worth / 9.0 <= roi.upper
        assert roi.value == pytest.approx(net.value / 9.0)
    assert 0.92 <= held / 300 <= 0.98
    assert held == roi_held


def test_a_decision_that_does_nothing_costs_its_calls_and_alarms_only_with_certainty() -> None:
    told = [
        money_gain(arms(seed, treated=0.1, held_out=0.1), profit_rate=0.05, cost_usd=9.0)[0]
        for seed in range(300)
    ]
    values = [each.value for each in told]
    error = np.std(values) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(-9.0, abs=4 * error)
    assert sum(bool(each.signal) for each in told) <= 2
    dear = money_gain(arms(1, treated=0.1, held_out=0.1), profit_rate=0.05, cost_usd=2_000.0)
    assert dear[0].signal
    free = money_gain(arms(1, treated=0.1, held_out=0.1), profit_rate=0.05, cost_usd=0.0)[1]
    assert free.value is None
    assert "cost nothing" in free.detail["unknown"]
