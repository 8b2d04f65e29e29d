from dataclasses import replace

import numpy as np
import pytest

from hki_ml.learning.leaks import Evidence, leaks, self_labels


def evidence(seed=0, n=2_000):
    random = np.random.default_rng(seed)
    table = random.normal(size=(n, 4))
    logit = 1.0 * table[:, 0] + 0.7 * table[:, 1] - 1.5
    closed = (random.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    is_open = random.random(n) < 0.3
    return Evidence(
        table, ["a", "b", "fact_c", "fact_d"], np.where(is_open, np.nan, closed), is_open,
        np.zeros(n), np.arange(n, dtype=float),
    )  # fmt: skip


def with_column(found, values):
    table = found.table.copy()
    table[:, 3] = values
    return replace(found, table=table)


@pytest.mark.parametrize("seed", range(20))
def test_a_fact_that_comes_with_the_end_is_named_and_clean_features_are_not(seed):
    random = np.random.default_rng(100 + seed)
    clean = evidence(seed)
    assert leaks(clean) == ()
    closed = np.nan_to_num(clean.closed)
    is_there = random.random(len(closed)) < np.where(closed > 0, 0.9, 0.05)
    cost = np.where(is_there & ~clean.is_open, random.normal(size=len(closed)), np.nan)
    (reason,) = leaks(with_column(clean, cost))
    assert "'fact_d'" in reason


def test_a_fact_known_of_ended_leads_only_is_named():
    found = evidence()
    (reason,) = leaks(with_column(found, np.where(found.is_open, np.nan, 1.0)))
    assert "'fact_d'" in reason
    assert "0%" in reason


def test_an_unbelievable_fact_is_named():
    found = evidence()
    random = np.random.default_rng(9)
    (reason,) = leaks(
        with_column(found, np.nan_to_num(found.closed) + 0.3 * random.normal(size=2_000))
    )
    assert "alone it tells closings" in reason


def test_outcomes_that_follow_our_own_scores_like_a_rule_are_refused():
    random = np.random.default_rng(0)
    scores = random.random(400)
    real = (random.random(400) < scores).astype(float)
    rule = (scores > 0.4).astype(float)
    source = np.repeat(np.array(["crm", "batch-7"], object), 200)
    (reason,) = self_labels(scores, np.where(source == "crm", real, rule), source)
    assert "'batch-7'" in reason
    assert self_labels(scores, real, source) == ()


def test_a_perfectly_told_handful_is_no_rule():
    scores = np.linspace(0, 1, 12)
    assert self_labels(scores, (scores > 0.5).astype(float), np.full(12, "crm", object)) == ()


@pytest.mark.parametrize("source", ["lead-scoring-export", "model v3", "prediction.made"])
def test_outcomes_from_our_own_predictions_are_refused_by_name(source):
    (reason,) = self_labels(np.full(3, np.nan), np.ones(3), np.array([source] * 3, object))
    assert source in reason


def test_a_source_of_another_name_may_teach():
    assert (
        self_labels(np.full(3, np.nan), np.ones(3), np.array(["remodeling-crm"] * 3, object)) == ()
    )
