import importlib.util

import numpy as np
import pytest

from hki_ml.learning.lead_labels import Ends
from hki_ml.models.time_to_close.cox import Terms, fit_cox, fitted_by_lifelines, merge_strata
from hki_ml.models.time_to_close.design import Design
from tests.conftest import ROOT


def sample(n=600, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    close = random.exponential(80 * np.exp(-0.7 * x[:, 0]))
    lose = random.exponential(60 * np.exp(-0.5 * x[:, 1]))
    days = np.minimum(np.minimum(close, lose), 365.0)
    cause = np.where(days >= 365, 0, np.where(close < lose, 1, 2))
    return x, Ends(days, cause.astype(np.int64)), (x[:, 3] > 0).astype(np.int64)


def by_lifelines(x, ends, stratum, terms, grid):
    """Hazard mass by cell from lifelines' own cumulative hazards, shape (n, 2, cells)."""
    import pandas as pd

    edges = np.concatenate([[0.0], grid])
    mass = np.zeros((len(x), 2, len(grid)))
    starts, stops = [0.0, *terms.breaks], [*terms.breaks, np.inf]
    for cause in range(2):
        for start, stop in zip(starts, stops, strict=True):
            at = ends.days > start
            fitter = fitted_by_lifelines(
                x[at], np.minimum(ends.days[at], stop),
                (ends.cause[at] == cause + 1) & (ends.days[at] <= stop), stratum[at],
                penalizer=terms.penalizer,
            )  # fmt: skip
            frame = pd.DataFrame(x, columns=[f"x{j}" for j in range(x.shape[1])])
            frame["stratum"] = stratum
            for i in range(len(x)):
                # lifelines draws lines between its times and starts at the first of them, not at 0.
                table = fitter.predict_cumulative_hazard(frame.iloc[[i]])
                times = np.concatenate([[0.0], table.index.to_numpy(float)])
                line = np.concatenate([[0.0], table.iloc[:, 0].to_numpy()])
                total = np.interp(edges, times, line)
                inside = (grid > start) & (grid <= stop)
                mass[i, cause, inside] = np.diff(total)[inside]
    return mass


@pytest.mark.parametrize("breaks", [(), (30.0,)])
def test_the_closed_form_is_what_lifelines_predicts(breaks):
    x, ends, stratum = sample()
    terms = Terms(penalizer=0.01, breaks=breaks)
    cox = fit_cox(x, ends, stratum, terms)
    assert len(cox.grid) <= 400
    few = np.arange(12)
    mass = by_lifelines(x, ends, stratum, terms, cox.grid)[few]
    known = cox.grid <= cox.reach_days
    still, closed, lost = np.ones(len(few)), np.zeros(len(few)), np.zeros(len(few))
    ours = cox.incidences(x[few], stratum[few])
    for k in np.flatnonzero(known):
        total = mass[few, :, k].sum(axis=1)
        share = np.divide(1 - np.exp(-total), total, out=np.ones(len(few)), where=total > 0)
        closed += still * share * mass[few, 0, k]
        lost += still * share * mass[few, 1, k]
        still *= np.exp(-total)
        np.testing.assert_allclose(ours[0][:, k], closed, atol=1e-9)
        np.testing.assert_allclose(ours[1][:, k], lost, atol=1e-9)
        # Open is lifelines' survival: exp of both cumulative hazards.
        np.testing.assert_allclose(1 - ours[0][:, k] - ours[1][:, k], still, atol=1e-9)


def test_strata_with_too_few_ends_share_their_neighbours_baseline():
    stage = np.repeat([0, 1, 2, 3], [200, 200, 4, 200])
    cause = np.tile([1, 2], 302)
    merged = merge_strata(stage, cause)
    assert merged.tolist() == [0, 1, 2, 2]


def test_a_constant_column_and_a_copy_fall_out_of_the_covariates():
    random = np.random.default_rng(0)
    a = random.normal(size=300)
    table = np.column_stack([a, np.full(300, 3.0), -2 * a, random.integers(0, 2, 300)])
    design = Design.learn(("a", "flat", "copy", "flag"), table)
    assert {design.names[s] for s in design.source} == {"a", "flag"} | (
        {"copy"} if "copy above" in " ".join(design.covariates) else set()
    )
    np.testing.assert_allclose(design.of(table).mean(axis=0), 0.0, atol=0.02)


def test_a_value_beyond_what_was_taught_counts_as_the_edge():
    table = np.linspace(0.0, 1.0, 500)[:, None]
    design = Design.learn(("a",), table)
    np.testing.assert_allclose(
        design.of(np.array([[1.0]])), design.of(np.array([[1e9]])), atol=1e-2
    )


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "published"), [("metabric", 0.631), ("support", 0.583), ("rotterdam_gbsg", 0.658)]
)
def test_the_published_c_of_three_sets_is_met(name, published, real_data):
    path = ROOT / "benchmarks" / "survival_cox.py"
    spec = importlib.util.spec_from_file_location("survival_cox", path)
    script = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["survival_cox"] = script
    spec.loader.exec_module(script)
    found = script.measured(real_data / "survival_benchmarks", name)
    assert abs(found.harrell - published) <= script.TOLERANCE
