"""What was tried by lot: the effect is found beyond what the trees say, and none is imagined."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hki_ml.models.lead_scoring.lots import effect_of, effects


def drawn(effect, *, n=20_000, seed=1):
    made = np.random.default_rng(seed)
    margin = made.normal(-2.2, 1.0, n)
    better = made.random(n) < 0.5
    closed = made.random(n) < 1 / (1 + np.exp(-(margin + effect * better)))
    return margin, closed.astype(float), better


@pytest.mark.parametrize("effect", [0.0, 0.3, -0.2])
def test_the_effect_of_the_better_arm_is_found_within_its_error(effect):
    found = effect_of(*drawn(effect))
    assert found.log_odds == pytest.approx(effect, abs=3 * found.standard_error)
    assert 0.03 < found.standard_error < 0.08


def test_a_level_that_is_off_is_no_effect():
    margin, closed, better = drawn(0.0)
    assert abs(effect_of(margin - 0.7, closed, better).log_odds) < 0.15


def test_too_few_who_drew_say_nothing():
    margin, closed, better = drawn(0.5, n=500)
    assert effect_of(margin, closed, better) is None


def test_only_those_who_drew_and_are_young_count():
    margin, closed, better = drawn(0.4, n=6_000)
    arm = np.where(better, "fast", "usual").astype(object)
    age = np.zeros(len(arm))
    rows = pd.DataFrame({"fact_follow_up_arm": arm, "history_age_days": age})
    young = effects(rows, margin, closed)["follow_up_at_once"]
    assert young.rows == 6_000
    others = pd.DataFrame({"fact_follow_up_arm": [None, "fast"] * 1_000, "history_age_days": 30.0})
    spoiled = pd.concat([rows, others], ignore_index=True)
    again = effects(spoiled, np.append(margin, np.zeros(2_000)), np.append(closed, np.ones(2_000)))
    assert again["follow_up_at_once"] == young
    assert effects(rows.drop(columns="fact_follow_up_arm"), margin, closed) == {}
