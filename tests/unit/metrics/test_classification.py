import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as known

from hki_ml.metrics import calibration as cal
from hki_ml.metrics import classification as cls
from hki_ml.metrics.interval import cluster_bootstrap


def said(seed=0, n=3_000, *, ties=False):
    random = np.random.default_rng(seed)
    p = random.beta(1, 6, n)
    if ties:
        p = np.round(p, 1)
    return (random.random(n) < p).astype(float), p, random.integers(1, 4, n).astype(float)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_figures_are_those_of_scikit_learn_with_weights_and_ties(seed, ties):
    truth, p, weight = said(seed, 200, ties=ties)
    if len(np.unique(truth)) < 2:
        return
    assert cls.auc(truth, p, weight) == pytest.approx(
        known.roc_auc_score(truth, p, sample_weight=weight)
    )
    assert cls.average_precision(truth, p, weight) == pytest.approx(
        known.average_precision_score(truth, p, sample_weight=weight)
    )
    assert cls.brier(truth, p, weight) == pytest.approx(
        known.brier_score_loss(truth, p, sample_weight=weight)
    )
    inner = np.clip(p, 1e-6, 1 - 1e-6)
    assert cls.log_loss(truth, inner, weight) == pytest.approx(
        known.log_loss(truth, inner, sample_weight=weight, labels=[0, 1])
    )


def test_delongs_interval_covers_the_truth_nineteen_times_in_twenty():
    from scipy.stats import norm

    random = np.random.default_rng(1)
    true = norm.cdf(1 / np.sqrt(2))
    hits = 0
    for _ in range(400):
        truth = np.repeat([0.0, 1.0], [150, 50])
        score = random.normal(size=200) + truth
        low, high = cls.auc_interval(truth, score)
        hits += low <= true <= high
    assert 0.92 <= hits / 400 <= 0.98


def test_a_better_score_of_the_same_leads_is_ahead_beyond_chance():
    random = np.random.default_rng(2)
    truth = (random.random(2_000) < 0.2).astype(float)
    good = truth + random.normal(size=2_000)
    worse = good + random.normal(size=2_000)
    gain, (low, high) = cls.auc_gain(truth, good, worse)
    assert 0 < low < gain < high
    assert cls.auc_gain(truth, good, good)[1] == (0.0, 0.0)


def test_precision_lift_and_ceiling_of_the_best_fifth():
    truth = np.repeat([1.0, 0.0], [10, 90])
    score = -np.arange(100.0)
    assert cls.precision_at(truth, score) == 0.5 == cls.precision_ceiling(0.1)
    assert cls.lift_at(truth, score) == 5.0
    assert cls.precision_at(truth, np.zeros(100)) == pytest.approx(0.1)


def test_one_kind_of_outcome_alone_has_no_auc():
    assert np.isnan(cls.auc(np.ones(5), np.arange(5.0)))


def test_a_perfect_models_error_is_chance_and_most_of_it_is_taken_off():
    plain, debiased = [], []
    for seed in range(40):
        truth, p, _ = said(seed, 1_000)
        plain.append(cal.ece(truth, p))
        debiased.append(cal.debiased_ece(truth, p))
    assert np.mean(debiased) < 0.6 * np.mean(plain)
    assert np.mean(debiased) < 0.015


def test_a_miscalibrated_models_error_stays():
    truth, p, _ = said(3, 40_000)
    assert cal.debiased_ece(truth, np.clip(p + 0.08, 0, 1)) == pytest.approx(0.08, abs=0.01)


def test_slope_and_intercept_find_what_was_done_to_the_odds():
    truth, p, weight = said(4, 60_000)
    assert cal.slope(truth, p) == pytest.approx(1.0, abs=0.05)
    bent = 1 / (1 + np.exp(-(2 * cal.log_odds(p) + 0.7)))
    assert cal.slope(truth, bent) == pytest.approx(0.5, abs=0.03)
    moved = 1 / (1 + np.exp(-(cal.log_odds(p) + 0.7)))
    assert cal.intercept(truth, moved) == pytest.approx(-0.7, abs=0.05)
    assert cal.slope(truth, p, weight) == pytest.approx(
        cal.slope(np.repeat(truth, weight.astype(int)), np.repeat(p, weight.astype(int))), abs=1e-6
    )


def test_bins_have_equal_mass_and_keep_ties_together():
    truth, p, _ = said(5, 5_000)
    assert cal.bins(truth, p).mass == pytest.approx(np.full(10, 500.0), abs=1)
    assert len(cal.bins(truth, np.full(5_000, 0.2)).mass) == 1


def test_a_bootstrap_by_lead_is_wider_where_rows_repeat_leads():
    truth, p, _ = said(6, 400)

    def brier(t, s):
        return {"b": lambda w: cls.brier(t, s, w)}

    one = cluster_bootstrap(brier(truth, p), np.arange(400))["b"]
    lead = np.repeat(np.arange(400), 5)
    five = cluster_bootstrap(brier(np.repeat(truth, 5), np.repeat(p, 5)), lead)["b"]
    naive = cluster_bootstrap(brier(np.repeat(truth, 5), np.repeat(p, 5)), np.arange(2_000))["b"]
    assert five[1] - five[0] == pytest.approx(one[1] - one[0], rel=0.25)
    assert naive[1] - naive[0] < 0.7 * (five[1] - five[0])
