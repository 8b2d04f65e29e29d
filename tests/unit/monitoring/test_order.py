"""Uno's C of a model of time: told with its interval, alarming where the order is lost and not by chance."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hki_ml.metrics.concordance import uno_c
from hki_ml.monitoring.outcomes import order


def rows(seed: int, *, skill: float, n: int = 3_000) -> pd.DataFrame:
    """Leads whose closing comes sooner the less is expected; ``skill`` is how much of it is seen."""
    random = np.random.default_rng(seed)
    speed = random.normal(size=n)
    close = random.exponential(60 * np.exp(-speed))
    lose = random.exponential(90, n)
    until = random.uniform(20, 120, n)
    days = np.minimum(np.minimum(close, lose), until)
    cause = np.where(days == close, 1, np.where(days == lose, 2, 0))
    said = skill * speed + np.sqrt(1 - skill**2) * random.normal(size=n)
    return pd.DataFrame(
        {"entity": np.arange(n).astype(str), "days": days, "cause": cause, "expected_days": 60 - 9 * said}
    )  # fmt: skip


def test_the_figure_is_unos_with_an_interval_around_it():
    reference, current = rows(0, skill=0.9), rows(1, skill=0.9)
    found = order(reference, current)
    until = min(reference["days"].max(), current["days"].max())
    told = [current[name].to_numpy() for name in ("expected_days", "days", "cause")]
    assert found.value == uno_c(-told[0], told[1], told[2], until=until)
    assert found.lower < found.value < found.upper
    assert 0.6 < found.value < 0.9


def test_a_lost_order_alarms_and_chance_does_not():
    quiet = [order(rows(2 * k, skill=0.9), rows(2 * k + 1, skill=0.9)).signal for k in range(20)]
    assert not any(quiet)
    lost = [order(rows(k, skill=0.9), rows(100 + k, skill=0.3)) for k in range(5)]
    assert all(each.signal and each.raw_signal for each in lost)


def test_few_closings_are_unknown():
    found = order(rows(0, skill=0.9), rows(1, skill=0.9, n=200))
    assert found.signal is None
    assert "expected 300" in found.detail["unknown"]
