from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.metrics import ratio
from hki_ml.metrics.interval import bootstrap, coverage, share_interval

PRICE = np.array([100.0, 200.0, 300.0, 400.0, 500.0])


def test_perfect_values_have_no_error_and_no_bias() -> None:
    assert ratio.mape(PRICE, PRICE) == ratio.mdape(PRICE, PRICE) == ratio.cod(PRICE, PRICE) == 0
    assert ratio.prd(PRICE, PRICE) == 1
    assert ratio.prb(PRICE, PRICE) == pytest.approx(0)


def test_dear_homes_valued_too_low_show_as_regressive() -> None:
    value = PRICE * np.array([1.1, 1.05, 1.0, 0.95, 0.9])
    assert ratio.prd(PRICE, value) > 1
    assert ratio.prb(PRICE, value) < 0


@given(st.floats(0.1, 10))
def test_dispersion_and_bias_do_not_depend_on_the_level_of_values(factor: float) -> None:
    value = PRICE * np.array([1.1, 0.9, 1.0, 1.2, 0.8])
    assert ratio.cod(PRICE, value * factor) == pytest.approx(ratio.cod(PRICE, value))
    assert ratio.prb(PRICE, value * factor) == pytest.approx(ratio.prb(PRICE, value))


def test_the_bootstrap_interval_holds_the_measure_and_is_seeded() -> None:
    value = PRICE * np.array([1.1, 0.9, 1.0, 1.2, 0.8])
    low, high = bootstrap(ratio.mape, PRICE, value, seed=1)
    assert low <= ratio.mape(PRICE, value) <= high
    assert (low, high) == bootstrap(ratio.mape, PRICE, value, seed=1)


def test_a_truth_on_the_bound_is_covered() -> None:
    assert coverage(np.array([1.0]), np.array([1.0]), np.array([2.0])) == 100


def test_a_share_of_few_rows_is_less_sure() -> None:
    few, many = share_interval(80, 30), share_interval(80, 3_000)
    assert few[1] - few[0] > many[1] - many[0]
