"""The Cox core on the three sets that survival papers share, against the published figures.

``python benchmarks/survival_cox.py [--data FOLDER]``. Test C (Harrell) of the plain Cox model: METABRIC
.631, SUPPORT .583, GBSG .658 (Katzman et al. 2018, BMC Medical Research Methodology 18:24).
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hki_ml.learning.lead_labels import Ends
from hki_ml.metrics.concordance import harrell_c, uno_c
from hki_ml.models.time_to_close.cox import Terms, fit_cox
from hki_ml.models.time_to_close.design import Design

ROOT = Path(__file__).parents[1]
PUBLISHED = {"metabric": 0.631, "support": 0.583, "rotterdam_gbsg": 0.658}
TOLERANCE = 0.005


@dataclass(frozen=True)
class Found:
    """What one set gave."""

    name: str
    n: int
    harrell: float
    uno: float
    bent: float
    microseconds: float


def measured(folder: Path, name: str) -> Found:
    table = pd.read_parquet(folder / f"{name}.parquet")
    columns = [c for c in table if c.startswith("x")]
    train, test = (table[table["split"] == part] for part in ("train", "test"))
    plain, spent = risk(train, test, columns, bends=False)
    bent, _ = risk(train, test, columns, bends=True)
    days = test["duration"].to_numpy(np.float64)
    cause = test["event"].to_numpy(np.int64)
    return Found(
        name, len(test), harrell_c(plain, days, cause), uno_c(plain, days, cause),
        harrell_c(bent, days, cause), spent,
    )  # fmt: skip


def risk(
    train: pd.DataFrame, test: pd.DataFrame, columns: list[str], *, bends: bool
) -> tuple[np.ndarray, float]:
    raw = train[columns].to_numpy(np.float64)
    design = Design.learn(columns, raw, bends=bends, logs=bends)
    days = np.maximum(train["duration"].to_numpy(np.float64), 1e-3)
    ends = Ends(days, train["event"].to_numpy(np.int64))
    none = np.zeros(len(train), np.int64)
    cox = fit_cox(design.of(raw), ends, none, Terms(penalizer=1e-4))
    later = design.of(test[columns].to_numpy(np.float64))
    cox.incidences(later[:1], none[:1])
    begun = time.process_time()
    for row in range(200):
        cox.incidences(later[row : row + 1], none[:1])
    spent = (time.process_time() - begun) / 200 * 1e6
    return cox.log_hazard(later)[:, 0, 0], spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", default=os.environ.get("HKI_REAL_DATA", ROOT.parent / "shared" / "data")
    )
    folder = Path(parser.parse_args().data) / "survival_benchmarks"
    print("| set | n test | C (Harrell) | published | C (Uno) | C with hinges | µs a row |")
    print("|---|---|---|---|---|---|---|")
    for name, published in PUBLISHED.items():
        f = measured(folder, name)
        print(
            f"| {f.name} | {f.n} | {f.harrell:.4f} | {published} | {f.uno:.4f} | {f.bent:.4f} "
            f"| {f.microseconds:.0f} |"
        )


if __name__ == "__main__":
    main()
