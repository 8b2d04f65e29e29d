"""What labels say is told with its bound; what they cannot say yet is unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from hki_ml.learning.judged import judged
from hki_ml.metrics.classification import auc, row_log_loss
from hki_ml.metrics.ratio import mdape
from hki_ml.monitoring.check import Check
from hki_ml.monitoring.outcomes import amounts, covered, yes_or_no
from hki_ml.monitoring.predictions import estimated_performance, expected_auc, prediction_drift


def rows(seed: int, n: int = 1_500, *, shift: float = 0.0, slope: float = 1.0) -> pd.DataFrame:
    """Return a calibrated model's rows; ``slope`` below 1 is a world that it no longer knows."""
    random = np.random.default_rng(seed)
    logit = random.normal(-1 + shift, 1.2, n)
    said = expit(logit)
    truth = (random.random(n) < expit(slope * logit)).astype(float)
    names = pd.Series([f"{seed}-{i}" for i in range(n)])
    return judged(
        example_id=names, happened_at=pd.Series(pd.Timestamp("2026-01-01", tz="UTC"), index=names.index),
        entity=names, outcome=truth, loss=row_log_loss(truth, said), probability=said,
    )  # fmt: skip


TRIAL = rows(0, 6_000)


def named(found: list[Check], subject: str) -> Check:
    return next(each for each in found if each.subject == subject)


def test_a_model_as_good_as_ever_alarms_hardly_ever() -> None:
    assert sum(any(c.signal for c in yes_or_no(TRIAL, rows(s))) for s in range(1, 41)) == 0


def test_other_leads_are_no_worse_model_but_another_world_is() -> None:
    moved = named(yes_or_no(TRIAL, rows(50, shift=1.0)), "excess log loss")
    broken = named(yes_or_no(TRIAL, rows(51, slope=0.0)), "excess log loss")
    assert not moved.signal
    assert broken.signal
    assert named(yes_or_no(TRIAL, rows(51, slope=0.0)), "AUC").signal


def test_too_few_labels_are_unknown() -> None:
    found = yes_or_no(TRIAL, rows(60, 200))
    assert len(found) == 5
    assert all(each.signal is None and each.value is None for each in found)


def test_the_estimate_before_labels_holds_what_labels_then_say() -> None:
    inside = 0
    for seed in range(70, 110):
        now = rows(seed, shift=0.5)
        said = now["probability"].to_numpy()
        check = estimated_performance(TRIAL["probability"].to_numpy(), said)
        inside += check.lower <= auc(now["outcome"].to_numpy(), said) <= check.upper
    assert inside >= 35


def test_the_estimate_is_blind_to_another_world_which_is_why_it_alarms_nobody_alone() -> None:
    said = rows(51, slope=0.0)["probability"].to_numpy()
    assert abs(expected_auc(said) - expected_auc(TRIAL["probability"].to_numpy())) < 0.02


def test_predictions_that_moved_are_found_and_others_are_not() -> None:
    before = TRIAL["probability"].to_numpy()
    assert not any(
        prediction_drift(before, rows(s, 400)["probability"].to_numpy()).signal
        for s in range(1, 60)
    )
    assert prediction_drift(before, rows(1, 400, shift=0.8)["probability"].to_numpy()).at_once
    assert prediction_drift(before, before[:100]).signal is None


def test_errors_of_amounts_have_a_bound_against_both_samples() -> None:
    random = np.random.default_rng(0)

    def sales(n: int, error: float) -> tuple[np.ndarray, np.ndarray]:
        price = random.lognormal(13, 0.4, n)
        return price, price * np.exp(random.normal(0, error, n))

    trial = sales(3_000, 0.1)
    assert not any(amounts("MdAPE", mdape, trial, sales(600, 0.1)).signal for _ in range(20))
    assert amounts("MdAPE", mdape, trial, sales(600, 0.15)).signal
    assert amounts("MdAPE", mdape, trial, sales(100, 0.15)).signal is None


@pytest.mark.parametrize(
    ("held", "n", "signal"),
    [
        (800, 1_000, False),
        (765, 1_000, False),
        (700, 1_000, True),
        (1_530, 2_000, True),
        (70, 100, None),
    ],
)
def test_coverage_is_off_only_where_chance_would_hardly_do_it(held: int, n: int, signal) -> None:
    found = covered(np.arange(n) < held, level=80)
    assert (found.signal, found.at_once) == (signal, bool(signal))
