"""Intervals of values are watched by the latest month: what held before does not hide what no longer does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hki_ml.pipeline.monitor import _error_of, intervals

N = 4_000


def later(*, until_now: float, lately: float) -> pd.DataFrame:
    """Sales of four months, a thousand a month; shares of the 80 % intervals that held."""
    random = np.random.default_rng(0)
    share = np.where(np.arange(N) < 3 * N / 4, until_now, lately)
    return pd.DataFrame(
        {
            "happened_at": pd.date_range("2026-01-01", periods=N, freq="44min", tz="UTC"),
            "held_80": random.random(N) < share,
            "held_95": random.random(N) < 0.95,
        }
    )


def test_intervals_that_no_longer_hold_alarm_within_a_month() -> None:
    found = {each.subject: each for each in intervals(later(until_now=0.8, lately=0.7))}
    assert found["coverage 80 %"].signal
    assert found["coverage 80 %"].at_once
    assert found["coverage 80 %"].n < N / 3
    assert found["coverage 95 %"].signal is False


def test_intervals_that_hold_again_are_no_news() -> None:
    assert not any(each.signal for each in intervals(later(until_now=0.7, lately=0.8)))


def test_few_sales_are_unknown_and_no_intervals_are_nothing() -> None:
    rows = later(until_now=0.8, lately=0.8)
    assert {each.signal for each in intervals(rows.tail(200))} == {None}
    assert intervals(rows.drop(columns=["held_80", "held_95"])) == []


def test_values_are_watched_by_their_median_error_and_other_amounts_by_their_mean() -> None:
    off = np.array([0.02, 0.05, 0.4])
    name, measure = _error_of(later(until_now=0.8, lately=0.8))
    assert (name, round(measure(off, off), 6)) == ("MdAPE, %", round(100 * np.expm1(0.05), 6))
    name, measure = _error_of(pd.DataFrame({"loss": off}))
    assert (name, measure(off, off)) == ("mean loss", off.mean())
