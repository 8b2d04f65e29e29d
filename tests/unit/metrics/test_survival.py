import warnings

import numpy as np
import pytest

from hki_ml.metrics import concordance, survival
from hki_ml.metrics.clusters import clustered


@pytest.fixture(scope="module")
def sample():
    random = np.random.default_rng(3)
    days = np.ceil(random.exponential(20, 400))
    return days, random.integers(0, 3, 400), random.normal(size=400).round(1)


def test_kaplan_meier_is_that_of_lifelines(sample):
    lifelines = pytest.importorskip("lifelines")
    days, cause, _ = sample
    theirs = lifelines.KaplanMeierFitter().fit(days, cause != 0).survival_function_.iloc[1:, 0]
    ours = survival.kaplan_meier(days, cause)
    np.testing.assert_allclose(ours.at(theirs.index.to_numpy()), theirs, atol=1e-12)


def test_aalen_johansen_is_that_of_lifelines():
    lifelines = pytest.importorskip("lifelines")
    random = np.random.default_rng(4)
    days, cause = random.exponential(20, 300), random.integers(0, 3, 300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = lifelines.AalenJohansenFitter(calculate_variance=False).fit(days, cause, 1)
    theirs = fitter.cumulative_density_.iloc[1:, 0]
    ours = survival.aalen_johansen(days, cause)
    np.testing.assert_allclose(ours.at(theirs.index.to_numpy()), theirs, atol=1e-12)


def test_harrell_c_is_that_of_lifelines(sample):
    utils = pytest.importorskip("lifelines.utils")
    days, cause, risk = sample
    theirs = utils.concordance_index(days, -risk, cause != 0)
    assert concordance.harrell_c(risk, days, cause) == pytest.approx(theirs, abs=1e-12)


def by_hand(risk, days, cause, until):
    known = np.maximum(survival.known_so_long(days, cause).before(days), survival.LEAST_KNOWN)
    right = total = 0.0
    for i in range(len(days)):
        if cause[i] != 1 or days[i] >= until:
            continue
        for j in range(len(days)):
            later = days[j] > days[i] or (days[j] == days[i] and cause[j] != 1)
            lost_before = cause[j] == 2 and days[j] < days[i]
            if not later and not lost_before:
                continue
            w = 1 / known[i] ** 2 if later else 1 / (known[i] * known[j])
            total += w
            right += w * (1.0 if risk[i] > risk[j] else 0.5 if risk[i] == risk[j] else 0.0)
    return right / total


@pytest.mark.parametrize("until", [np.inf, 15.0])
def test_unos_c_is_the_double_sum_of_its_definition(sample, until):
    days, cause, risk = sample
    ours = concordance.uno_c(risk, days, cause, until=until)
    assert ours == pytest.approx(by_hand(risk, days, cause, until), abs=1e-12)


def test_a_lost_lead_never_closes_and_is_compared_with_every_closing():
    days, cause = np.array([1.0, 5.0]), np.array([2, 1])
    assert concordance.uno_c(np.array([0.0, 1.0]), days, cause) == 1.0
    assert concordance.uno_c(np.array([1.0, 0.0]), days, cause) == 0.0


def test_unos_c_does_not_move_with_the_length_of_follow_up():
    random = np.random.default_rng(0)
    risk = random.normal(size=8000)
    days = random.exponential(np.exp(-risk)) * 20
    full = concordance.uno_c(risk, days, np.ones(8000, int), until=20.0)
    ends = random.exponential(25, 8000)
    cause = (days <= ends).astype(int)
    cut = concordance.uno_c(risk, np.minimum(days, ends), cause, until=20.0)
    assert cut == pytest.approx(full, abs=0.01)


def test_a_weight_of_two_is_the_row_twice(sample):
    days, cause, risk = (column[:60] for column in sample)
    twice = np.repeat(np.arange(60), 2)
    weighted = concordance.uno_c(risk, days, cause, weight=np.full(60, 2.0))
    assert weighted == pytest.approx(concordance.uno_c(risk[twice], days[twice], cause[twice]))


def test_the_brier_score_without_censoring_is_the_mean_squared_error():
    days, cause = np.array([1.0, 5.0, 9.0, 2.0]), np.array([1, 1, 1, 2])
    said = np.array([0.9, 0.4, 0.2, 0.3])
    known = survival.known_so_long(days, cause)
    rows = survival.brier_rows(said, days, cause, at=6.0, known=known)
    np.testing.assert_allclose(rows, (np.array([1.0, 1.0, 0.0, 0.0]) - said) ** 2)


def test_the_brier_score_weights_by_the_probability_of_being_known():
    days, cause = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 0, 1, 1])
    known = survival.known_so_long(days, cause)
    rows = survival.brier_rows(np.full(4, 0.5), days, cause, at=3.5, known=known)
    # After the censoring on day 2, one of the three then at risk, two thirds are still known.
    np.testing.assert_allclose(rows, 0.25 * np.array([1.0, 0.0, 1.5, 1.5]))


def test_the_brier_score_of_the_truth_survives_censoring():
    random = np.random.default_rng(1)
    rate = np.exp(random.normal(size=20000)) / 30
    days = random.exponential(1 / rate)
    said = 1 - np.exp(-rate * 30)
    free = np.mean((said - (days <= 30)) ** 2)
    ends = random.exponential(60, 20000)
    cause, seen = (days <= ends).astype(int), np.minimum(days, ends)
    known = survival.known_so_long(seen, cause)
    ours = survival.brier_rows(said, seen, cause, at=30.0, known=known).mean()
    assert ours == pytest.approx(free, abs=0.005)


def test_mean_days_by_hand():
    curve = survival.aalen_johansen(np.array([10.0, 20.0]), np.array([1, 2]))
    assert survival.mean_days(curve, 100.0) == pytest.approx(0.5 * 10 + 0.5 * 100)
    assert survival.days_if_closing(curve, 100.0) == pytest.approx(10.0)


def test_decile_errors_are_small_for_the_truth_and_large_for_a_constant_shift():
    random = np.random.default_rng(2)
    rate = np.exp(random.normal(size=20000)) / 30
    days = random.exponential(1 / rate)
    truth = (1 - np.exp(-rate * 90)) / rate
    cause = np.ones(20000, int)
    off = survival.decile_errors(truth, days, cause, until=90.0)
    assert np.abs(off).max() < 0.08
    late = survival.decile_errors(truth * 1.3, days, cause, until=90.0)
    np.testing.assert_allclose(late, 1.3 * (1 + off) - 1)


def test_drawing_clusters_widens_the_interval_of_rows_that_are_copies():
    random = np.random.default_rng(5)
    values = np.repeat(random.normal(size=100), 10)

    def mean(weight):
        return float(np.average(values, weights=weight))

    together = clustered(mean, np.repeat(np.arange(100), 10))
    apart = clustered(mean, np.arange(1000))
    assert together.high - together.low > 2.5 * (apart.high - apart.low)
