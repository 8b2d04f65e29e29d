import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.models.time_to_close.curves import anchor, day_of, incidence, mean_if_closing

masses = st.lists(st.floats(0, 0.5), min_size=6, max_size=6)


def followed(closing, losing):
    closed, lost = np.empty(len(closing)), np.empty(len(closing))
    incidence(np.array(closing), np.array(losing), closed, lost)
    return closed, lost


@given(closing=masses, losing=masses)
def test_closed_lost_and_open_are_one_on_every_day(closing, losing):
    closed, lost = followed(closing, losing)
    still = np.exp(-np.cumsum(np.array(closing) + np.array(losing)))
    np.testing.assert_allclose(closed + lost + still, 1.0, atol=1e-12)
    assert np.all(np.diff(closed) >= 0)
    assert np.all(np.diff(lost) >= 0)


@settings(max_examples=200)
@given(
    closing=st.lists(st.floats(1e-6, 0.5), min_size=6, max_size=6), losing=masses,
    wanted=st.floats(1e-6, 0.999),
)  # fmt: skip
def test_one_anchor_is_met(closing, losing, wanted):
    a, b = np.array(closing), np.array(losing)
    anchor(a, b, np.array([4]), np.array([wanted]))
    closed, lost = followed(a, b)
    assert abs(closed[3] - wanted) < 1e-9
    assert closed[-1] + lost[-1] <= 1 + 1e-12


@settings(max_examples=200)
@given(
    closing=st.lists(st.floats(1e-6, 0.5), min_size=6, max_size=6), losing=masses,
    rises=st.lists(st.floats(0, 1), min_size=3, max_size=3),
)  # fmt: skip
def test_a_whole_curve_is_met(closing, losing, rises):
    wanted = 0.98 * np.cumsum(rises) / max(sum(rises), 1.0)
    a, b = np.array(closing), np.array(losing)
    anchor(a, b, np.array([2, 3, 5]), np.maximum(wanted, 1e-9))
    closed, _ = followed(a, b)
    np.testing.assert_allclose(closed[[1, 2, 4]], np.maximum(wanted, 1e-9), atol=1e-8)


def test_the_mean_and_the_median_by_hand():
    grid, closed = np.array([10.0, 20.0]), np.array([0.0, 0.4])
    assert mean_if_closing(grid, closed) == 15.0
    assert day_of(grid, closed, 0.2) == 15.0
