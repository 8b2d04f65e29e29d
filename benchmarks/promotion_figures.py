"""How often the gate errs: equal models promoted, and true gains of AUC seen, over many seeds.

``python benchmarks/promotion_figures.py``: pairs of scorers of simulated leads with known skill; both
are calibrated, as our rooms' trials demand. "naive" is a higher AUC, as most pipelines promote.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from hki_ml.learning.judged import judged
from hki_ml.metrics.classification import auc
from hki_ml.metrics.interval import share_interval
from hki_ml.pipeline.gates import BETTER, compare

BASE_LOG_ODDS, DRIVE = -2.4, 1.9
CHAMPION_NOISE = 1.0
TAUGHT = 20_000


def world(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return what drives each lead and whether it closed (10-15 % do)."""
    drive = DRIVE * random.normal(size=n)
    return drive, (random.random(n) < expit(BASE_LOG_ODDS + drive)).astype(float)


def scores(
    drive: np.ndarray, noises: tuple[float, float], shared: float, random: np.random.Generator
):
    """Return two scorers' views of the same leads; ``shared`` of the variance of their errors is common."""
    common = random.normal(size=len(drive))
    return [
        drive + noise * (np.sqrt(shared) * common + np.sqrt(1 - shared) * random.normal(size=len(drive)))
        for noise in noises
    ]  # fmt: skip


def pair(
    n: int, noises: tuple[float, float], shared: float, seed: int
) -> tuple[list[pd.DataFrame], float]:
    """Return the judged rows of candidate and champion on ``n`` later leads, and the naive gain of AUC."""
    random = np.random.default_rng(seed)
    frames, areas = [], []
    taught_drive, taught = world(TAUGHT, random)
    drive, truth = world(n, random)
    before = scores(taught_drive, noises, shared, random)
    for seen, learned in zip(scores(drive, noises, shared, random), before, strict=True):
        fit = LogisticRegression().fit(learned[:, None], taught)
        said = fit.predict_proba(seen[:, None])[:, 1]
        names = [f"lead {i}" for i in range(n)]
        frames.append(
            judged(
                example_id=names,
                happened_at=pd.Series(pd.date_range("2025-01-01", periods=n, freq="min")),
                entity=pd.Series(names),
                segment=pd.Series(np.array(["a", "b", "c", "d"])[random.integers(0, 4, n)]),
                outcome=truth, probability=said,
                loss=-(truth * np.log(said) + (1 - truth) * np.log1p(-said)),
            )
        )  # fmt: skip
        areas.append(auc(truth, said))
    return frames, areas[0] - areas[1]


def noise_for(gain: float) -> float:
    """Return the error of a scorer whose AUC is ``gain`` above that of the champion."""
    random = np.random.default_rng(0)
    drive, truth = world(400_000, random)
    error = random.normal(size=len(drive))
    start = auc(truth, drive + CHAMPION_NOISE * error)
    return float(brentq(lambda s: auc(truth, drive + s * error) - start - gain, 0.01, 3.0))


def main() -> None:
    """Print the share of seeds in which the candidate is promoted, with the naive rule beside."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=200)
    seeds = parser.parse_args().seeds
    print(
        "| true gain of AUC | errors in common | later leads | promoted | naive | refused although better |"
    )
    print("|---:|---:|---:|---:|---:|---:|")
    cases = [(gain, 0.9, n) for gain in (0.0, 0.02) for n in (1_000, 5_000, 20_000)]
    cases += [(gain, 0.9, 5_000) for gain in (-0.01, 0.005, 0.01)]
    cases += [(gain, 0.5, 5_000) for gain in (0.0, 0.01, 0.02)]
    for gain, shared, n in cases:
        noises = (noise_for(gain), CHAMPION_NOISE)
        promoted = naive = blocked = 0
        for seed in range(seeds):
            (ours, theirs), ahead = pair(n, noises, shared, seed)
            found = compare(ours, theirs)
            promoted += found.finding == BETTER and not found.refusals
            blocked += found.finding == BETTER and bool(found.refusals)
            naive += ahead > 0
        low, high = share_interval(100 * promoted / seeds, seeds)
        print(
            f"| {gain:+.3f} | {shared:.0%} | {n:,} | {100 * promoted / seeds:.1f} % [{low:.1f}, {high:.1f}] "
            f"| {100 * naive / seeds:.1f} % | {100 * blocked / seeds:.1f} % |"
        )


if __name__ == "__main__":
    main()
