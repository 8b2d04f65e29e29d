"""What a call list brings on the simulated market, by the truth: ours, by score, first come, and the best.

``python benchmarks/call_figures.py --market SEED``: the scorer learns from what is known before the last ten
months. On each later day leads that have just come and drew the usual call could have the quick one; truth
knows what that changes. Few can be called; a close brings the same share of our value of the home.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
ENDS = datetime(2016, 12, 28, tzinfo=UTC)
CUTOFF = datetime(2016, 3, 1, tzinfo=UTC)
LEADS = 20_000
CALLS_A_DAY = (2, 4, 6)
DRAWS = 1_000
PATHS = 400  # futures behind each probability of the truth


def days(seed: int, leads: int) -> pd.DataFrame:
    """Return a row a lead on arrival: its day, what we say of a call, and what the truth says."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from lead_figures import _platform

    from hki_ml.models.lead_scoring import room
    from hki_ml.models.lead_scoring.predict import LeadScorer
    from hki_ml.pipeline.train import examples
    from hki_ml.simulation.run import homes_in
    from hki_ml.simulation.truth import truth
    from hki_ml.simulation.world import World

    world = World.before(ENDS, seed=seed, leads=leads)
    with tempfile.TemporaryDirectory() as made:
        backend = _platform(Path(made), world)
        frame = examples(backend, "lead_scoring", as_of=ENDS)
        true = truth(world, homes_in(backend.lake), paths=PATHS).leads.to_pandas()
    trained = room.fit(frame, as_of=CUTOFF, seed=0, threads=1)
    scorer = LeadScorer(trained, version="1")
    new = frame[(frame["landmark_days"] == 0) & (frame["created_at"] >= CUTOFF)]
    new = new.reset_index(drop=True)
    gain, drew = scorer.gain_of_calls(new)
    said = new.assign(gain=gain, drew=drew, score=scorer.margin_of(new))
    said = said.merge(true[["lead_id", "p_close_90_fast", "p_close_90_usual"]], on="lead_id")
    said = said[said["drew"]].sort_values("created_at", kind="stable")
    return said.assign(
        true_gain=said["p_close_90_fast"] - said["p_close_90_usual"],
        day=said["created_at"].dt.floor("D"),
    ).reset_index(drop=True)


def brought(rows: pd.DataFrame, calls: int) -> pd.DataFrame:
    """Return a row a day: what each order's calls bring by the truth, in USD, calls paid."""
    from hki_ml.decisions.calls import CallTerms, call_list

    terms = CallTerms(callers=1, minutes=calls * CallTerms().minutes_per_call)
    found = []
    for day, part in rows.groupby("day"):
        value = (
            part["property_value_estimate"].fillna(part["lead_asking_price_usd"]).to_numpy(float)
        )
        true = call_list(part["true_gain"].to_numpy(), value, terms)
        ours = call_list(part["gain"].to_numpy(), value, terms)
        profit = true.expected_profit_usd
        orders = {
            "ours": [each.lead for each in ours.calls],
            "by score": np.argsort(-part["score"].to_numpy(), kind="stable")[:calls],
            "first come": np.arange(min(calls, len(part))),
            "best possible": [each.lead for each in true.calls],
        }
        found.append(
            {"day": day, "leads": len(part), **{k: profit[v].sum() for k, v in orders.items()}}
        )
    return pd.DataFrame(found)


def figures(seed: int, leads: int) -> list[dict[str, Any]]:
    """Return a row a number of calls a day: USD a day of each order, and ratios with intervals over days."""
    rows = days(seed, leads)
    made = np.random.default_rng(0)
    out = []
    for calls in CALLS_A_DAY:
        by_day = brought(rows, calls)
        picks = made.integers(0, len(by_day), (DRAWS, len(by_day)))
        ours = by_day["ours"].to_numpy()
        row: dict[str, Any] = {
            "seed": seed,
            "calls": calls,
            "days": len(by_day),
            "leads": len(rows),
        }
        for name in ("ours", "by score", "first come", "best possible"):
            theirs = by_day[name].to_numpy()
            drawn = ours[picks].sum(axis=1) / theirs[picks].sum(axis=1)
            row[name] = float(theirs.mean())
            row[f"ours / {name}"] = [
                float(ours.sum() / theirs.sum()), *np.quantile(drawn, [0.025, 0.975]).tolist()
            ]  # fmt: skip
        print(json.dumps(row), flush=True)
        out.append(row)
    return out


def main() -> None:
    """Run what is asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--market", type=int, action="append", default=[])
    asked.add_argument("--leads", type=int, default=LEADS)
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    found = [row for seed in args.market or [21] for row in figures(seed, args.leads)]
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
