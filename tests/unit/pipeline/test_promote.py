from __future__ import annotations

import numpy as np
import pandas as pd

from hki_ml.pipeline.promote import MIN_PAIRS, compare


def losses(n: int, *, mean: float = 0.10, seed: int = 0) -> pd.DataFrame:
    made = np.random.default_rng(seed)
    names = [f"sale {i}" for i in range(n)]
    return pd.DataFrame({"example_id": names, "loss": made.gamma(2.0, mean / 2, n)})


def worse(champion: pd.DataFrame, share: float, *, noise: float = 0.01) -> pd.DataFrame:
    made = np.random.default_rng(1)
    loss = champion["loss"] * (1 + share) + made.normal(0, noise, len(champion))
    return champion.assign(loss=loss)


def test_a_candidate_that_is_as_good_passes():
    champion = losses(3000)
    assert compare(worse(champion, 0.0), champion) == ()


def test_a_candidate_that_is_better_passes():
    champion = losses(3000)
    assert compare(worse(champion, -0.05), champion) == ()


def test_a_candidate_that_is_worse_is_refused_with_the_figure_that_refused_it():
    champion = losses(3000)
    (reason,) = compare(worse(champion, 0.05), champion)
    assert "not shown to be as good" in reason
    assert "n 3000" in reason


def test_too_few_later_examples_are_insufficient_evidence_however_good_they_look():
    champion = losses(MIN_PAIRS - 1)
    (reason,) = compare(worse(champion, -0.9), champion)
    assert reason.startswith("insufficient evidence")
    assert str(MIN_PAIRS - 1) in reason


def test_only_examples_that_both_were_judged_on_count():
    champion = losses(3000)
    others = worse(champion, 0.0).assign(example_id=[f"other {i}" for i in range(3000)])
    (reason,) = compare(others, champion)
    assert reason.endswith("got 0")


def test_a_worse_model_seldom_slips_through():
    passed = 0
    for seed in range(40):
        champion = losses(1000, seed=seed)
        passed += compare(worse(champion, 0.06, noise=0.05), champion, seed=seed) == ()
    assert passed <= 2
