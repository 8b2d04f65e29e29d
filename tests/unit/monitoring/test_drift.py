"""Drift is found where it is planted, and nowhere else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, ks_2samp

from hki_ml.monitoring.check import Check, Rules, settled
from hki_ml.monitoring.distance import false_discovery_adjusted, numbers, psi, psi_by_chance
from hki_ml.monitoring.features import category_changes, feature_drift, missing_values

COLUMNS = [f"x{i}" for i in range(20)]


def window(seed: int, n: int = 500) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(n, 20)), columns=COLUMNS)
    return frame.assign(kind=random.choice(["a", "b", "c"], size=n, p=[0.5, 0.3, 0.2]))


REFERENCE = window(0, 10_000)


def by_subject(found: list[Check]) -> dict[str, Check]:
    return {each.subject: each for each in found}


def test_distance_and_p_are_those_of_scipy_and_the_adjustment_too() -> None:
    first, second = REFERENCE["x0"].to_numpy(), window(1)["x0"].to_numpy()
    theirs = ks_2samp(first, second, method="asymp")
    ours = numbers(first, second)
    assert (ours.effect, ours.p) == (theirs.statistic, theirs.pvalue)
    p = np.random.default_rng(0).random(50) ** 2
    assert false_discovery_adjusted(p) == pytest.approx(false_discovery_control(p))


def test_one_outlier_does_not_blind_the_index() -> None:
    first = REFERENCE["x0"].to_numpy()
    dearer = window(2)["x0"].to_numpy() + 0.8
    with_one = np.append(dearer, 1e9)
    assert numbers(first, with_one).psi == pytest.approx(numbers(first, dearer).psi, rel=0.05)


def test_the_index_of_what_has_not_moved_exceeds_its_bootstrap_threshold_as_often_as_it_says() -> (
    None
):
    shares = np.full(10, 0.1)
    random = np.random.default_rng(3)
    counts = random.multinomial(5_000, shares).astype(float)
    _, threshold = psi_by_chance(counts, 300, level=0.05, draws=2_000)
    over = np.mean(
        [
            psi(
                random.multinomial(5_000, shares).astype(float),
                random.multinomial(300, shares).astype(float),
            )
            > threshold
            for _ in range(1_000)
        ]
    )
    assert 0.03 < over < 0.07


def test_quiet_windows_signal_nothing_while_the_plain_rule_cries() -> None:
    signals = raw = 0
    for seed in range(100, 140):
        found = feature_drift(REFERENCE, window(seed), [*COLUMNS, "kind"])
        signals += any(each.signal for each in found)
        raw += any(each.raw_signal for each in found)
    assert signals <= 1
    assert raw >= 20


def test_a_shift_of_half_a_deviation_is_found_and_no_other_column_is_named() -> None:
    now = window(4)
    now["x3"] += 0.5
    found = by_subject(feature_drift(REFERENCE, now, [*COLUMNS, "kind"]))
    assert [name for name, each in found.items() if each.signal] == ["x3"]


def test_a_collapsed_category_is_named_at_once() -> None:
    now = window(5).replace({"kind": {"b": "a"}})
    (check,) = category_changes(REFERENCE, now, ["kind"])
    assert check.at_once
    assert check.detail["vanished"] == ["b"]
    assert by_subject(feature_drift(REFERENCE, now, ["kind"]))["kind"].signal


@pytest.mark.parametrize("value", [np.nan, 1.0])
def test_a_broken_join_is_told_at_once_whether_it_leaves_nothing_or_one_value(value: float) -> None:
    found = missing_values(REFERENCE, window(6).assign(x1=value), ["x1"])
    assert any(each.at_once for each in found)


def test_a_column_that_is_gone_is_missing_throughout() -> None:
    check = missing_values(REFERENCE, window(6).drop(columns="x1"), ["x1"])[0]
    assert (check.value, check.at_once) == (1.0, True)


def test_missing_times_ten_is_found_and_as_many_as_ever_are_not() -> None:
    gaps = REFERENCE.assign(x1=REFERENCE["x1"].mask(np.arange(10_000) % 50 == 0))
    usual = window(7).assign(x1=window(7)["x1"].mask(np.arange(500) % 50 == 0))
    tenfold = window(7).assign(x1=window(7)["x1"].mask(np.arange(500) % 5 == 0))
    assert not missing_values(gaps, usual, ["x1"])[0].signal
    assert missing_values(gaps, tenfold, ["x1"])[0].signal


def test_too_few_rows_are_unknown_and_never_quiet() -> None:
    small = window(8, 50)
    for found in (
        feature_drift(REFERENCE, small, COLUMNS),
        missing_values(REFERENCE, small, COLUMNS),
    ):
        assert all(settled(each, [], Rules()).alarm is None for each in found)
        assert all(each.value is None and each.detail["unknown"] for each in found)


def test_an_alarm_needs_two_of_three_windows_unless_it_is_plain() -> None:
    once = Check("feature_drift", "x", 500, signal=True)
    assert settled(once, [], Rules()).alarm is False
    assert settled(once, [True, None], Rules()).alarm is True
    plain = Check("feature_drift", "x", 500, signal=True, at_once=True)
    assert settled(plain, [], Rules()).severity == "critical"
