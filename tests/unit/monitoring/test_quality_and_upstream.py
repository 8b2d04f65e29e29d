"""Broken data are told by what broke them, and the first place upstream is named with its day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from hki_ml.monitoring import quality
from hki_ml.monitoring.incident import incident_id
from hki_ml.monitoring.upstream import count_change, daily_counts, first_moved, value_change

NOW = datetime(2026, 3, 31, tzinfo=UTC)
DAYS = pd.date_range("2026-01-01", periods=90, freq="D", tz="UTC")


def prices(seed: int, n: int = 500) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(12.5, 0.4, n)


@pytest.mark.parametrize(
    ("factor", "unit"), [(100.0, "x 100"), (1000.0, "x 1,000"), (0.01, "/ 100")]
)
def test_a_wrong_unit_is_named_also_where_half_of_the_rows_have_it(
    factor: float, unit: str
) -> None:
    now = prices(1)
    now[::2] *= factor
    check = quality.units("price", prices(0, 5_000), now)
    assert check.signal
    assert check.detail["unit"] == unit


def test_prices_that_only_rose_have_no_wrong_unit_and_no_outliers() -> None:
    before = prices(0, 5_000)
    assert not quality.units("price", before, prices(1) * 1.6).signal
    assert not quality.outliers("price", before, prices(1) * 1.2).signal
    assert quality.outliers("price", before, prices(1) * 1_000).at_once


def test_old_doubled_future_and_absent_rows_are_told() -> None:
    allowed = timedelta(days=2)
    assert quality.freshness("sales", NOW - timedelta(days=5), NOW, allowed=allowed).at_once
    assert not quality.freshness("sales", NOW - timedelta(days=1), NOW, allowed=allowed).signal
    assert quality.freshness("sales", None, NOW, allowed=allowed).signal is None
    doubled = pd.DataFrame({"a": [*range(100), *range(50)]})
    assert quality.duplicates("rows", doubled, keys=["a"]).at_once
    assert not quality.duplicates("rows", doubled[:100], keys=["a"]).signal
    ahead = pd.Series([pd.Timestamp(NOW), pd.Timestamp(NOW + timedelta(days=3))])
    assert quality.future_times("rows", ahead, NOW).value == 1.0
    counts = pd.Series(20.0, index=DAYS)
    counts.iloc[40] = 0
    assert quality.empty_days("crm", counts).detail["days"] == ["2026-02-10"]
    assert not quality.empty_days(
        "crm", counts.where(DAYS.dayofweek != 6, 0.0).drop(DAYS[40])
    ).signal
    assert quality.empty_days("crm", counts / 10).signal is None


def test_quiet_counts_have_no_change_even_where_days_burst() -> None:
    random = np.random.default_rng(0)
    assert not any(count_change(random.poisson(8, 90).astype(float)) for _ in range(300))
    assert not any(
        count_change(random.negative_binomial(2, 0.2, 90).astype(float)) for _ in range(300)
    )


def test_the_source_that_stopped_is_named_with_its_day() -> None:
    random = np.random.default_rng(1)
    daily = {
        (source, kind): pd.Series(random.poisson(12, 90).astype(float), index=DAYS)
        for source in ("crm", "site")
        for kind in ("lead.created", "lead.replied")
    }
    assert first_moved(daily) is None
    daily["crm", "lead.replied"].iloc[61:] = 0
    daily["site", "lead.created"].iloc[75:] *= 4
    moved = first_moved(daily)
    assert str(moved) == (
        f"source crm stopped sending lead.replied on 2026-03-03 ({moved.before:.1f} a day before)"
    )


def test_counts_are_by_whole_day_with_empty_days_as_zero() -> None:
    events = pd.DataFrame(
        {"source": "crm", "event_type": "lead.created", "occurred_at": [DAYS[0], DAYS[0], DAYS[2]]}
    )
    counts = daily_counts(events, first=DAYS[0].to_pydatetime(), last=DAYS[4].to_pydatetime())
    assert counts["crm", "lead.created"].tolist() == [2, 0, 1, 0]


def test_the_day_of_a_shift_of_values_is_found_and_quiet_ones_have_none() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=900)
    assert value_change(values) is None
    values[600:] += 0.5
    found = value_change(values)
    assert found is not None
    assert abs(found.place - 600) < 60


def test_an_incident_is_the_same_on_the_same_day_only() -> None:
    first = incident_id("risk", "feature_drift", "x", NOW)
    assert first != incident_id("risk", "feature_drift", "x", NOW + timedelta(days=1))
