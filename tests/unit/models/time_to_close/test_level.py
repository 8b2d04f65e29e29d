from __future__ import annotations

import numpy as np
import pytest

from hki_ml.learning.lead_labels import Ends
from hki_ml.models.time_to_close.cox import Terms, fit_cox
from hki_ml.models.time_to_close.level import levelled


def test_covariates_that_reach_further_when_served_leave_as_many_ends_expected_as_happened():
    chance = np.random.default_rng(0)
    taught = chance.normal(size=(3_000, 1))
    days = np.maximum(chance.exponential(30 * np.exp(-0.8 * taught[:, 0])), 0.1)
    cause = np.where(days < 60, 1, 0)
    ends = Ends(np.minimum(days, 60.0), cause)
    stratum = np.zeros(len(taught), np.int64)
    cox = fit_cox(taught, ends, stratum, Terms(is_stratified=False))
    served = 2.5 * taught + 0.5
    before = cox.at(cox.incidences(served, stratum)[0], [60.0]).mean()
    moved = levelled(cox, served, stratum, ends)
    unmoved = levelled(cox, taught, stratum, ends)
    share = (cause == 1).mean()
    after = moved.at(moved.incidences(served, stratum)[0], [60.0]).mean()
    assert abs(after - share) < 0.01 < abs(before - share)
    # What is served as it was taught keeps its level.
    assert unmoved.baseline.sum() == pytest.approx(cox.baseline.sum(), rel=0.02)
