"""How groups fare: by hand counts, with intervals that hold what is true, and beside another score."""

from __future__ import annotations

import numpy as np
import pytest

from hki_ml.metrics.groups import (
    ALIKE,
    ByGroup,
    Treatment,
    changes,
    figures,
    picked_by,
    treatment,
)


def test_treatment_is_what_a_hand_count_says():
    group = np.repeat(np.array(["a", "b"], object), 200)
    closed = np.tile([1.0, 0.0], 200)
    score = np.where(group == "a", 2.0, 0.0) + closed
    found = treatment(closed, score, group)
    assert found == Treatment(0.0, 1.0)
    assert treatment(closed, closed, group) == Treatment(1.0, 0.0)


def test_small_groups_and_unknown_ones_are_nobodys():
    group = np.array(["a"] * 300 + ["b"] * 99 + [None, float("nan")] * 150, object)
    score = np.linspace(0, 1, len(group))
    truth = (np.arange(len(group)) % 2).astype(float)
    assert treatment(truth, score, group) == ALIKE
    assert ByGroup(group, truth).sizes() == {"a": 300}


def drawn(seed: int, *, harm: float, n: int = 4_000):
    """Leads of two groups alike in truth; a score that gives one of them less by ``harm``."""
    random = np.random.default_rng(seed)
    group = np.where(random.random(n) < 0.3, "minority", "majority").astype(object)
    drive = random.normal(size=n)
    truth = (random.random(n) < 1 / (1 + np.exp(1.5 - drive))).astype(float)
    return group, truth, drive - harm * (group == "minority"), np.arange(n).astype(object)


def test_intervals_hold_the_ratio_of_a_million_leads():
    group, truth, score, _ = drawn(99, harm=0.4, n=1_000_000)
    whole = treatment(truth, score, group)
    assert whole.impact_ratio < 0.75
    held = 0
    for seed in range(60):
        group, truth, score, entity = drawn(seed, harm=0.4)
        found = figures(ByGroup(group, truth), picked_by(truth, score), entity)
        held += found.impact_ratio.low <= whole.impact_ratio <= found.impact_ratio.high
    assert 52 <= held <= 60


def test_a_change_is_told_on_the_same_rows_and_no_change_is_none():
    group, truth, score, entity = drawn(1, harm=0.0)
    harmed = score - 0.5 * (group == "minority")
    by_group, ours, theirs = (
        ByGroup(group, truth),
        picked_by(truth, harmed),
        picked_by(truth, score),
    )
    found = changes(by_group, ours, theirs, entity)
    assert found.impact_ratio.high < 0 < found.opportunity_gap.low
    same = changes(by_group, theirs, theirs, entity)
    assert (same.impact_ratio.value, same.impact_ratio.low, same.impact_ratio.high) == (0, 0, 0)


def test_rows_of_one_lead_are_drawn_together():
    group, truth, score, entity = drawn(2, harm=0.3, n=1_500)
    once = figures(ByGroup(group, truth), picked_by(truth, score), entity)
    many = (np.repeat(each, 6) for each in (group, truth, score, entity))
    group, truth, score, entity = many
    again = figures(ByGroup(group, truth), picked_by(truth, score), entity)
    width = [each.impact_ratio.high - each.impact_ratio.low for each in (once, again)]
    assert width[1] == pytest.approx(width[0], rel=0.35)
