"""Workers killed at random moments of every flow: is the work done, once and whole?

    python benchmarks/kill_figures.py [--kills 30] [--seed 0] [--json FILE]

Starts a platform on a small real home (`hki platform`, SQLite). Before each kill sales come in, so that there
is something to do; then a flow is started, its worker is killed (SIGKILL) at a moment drawn over the flow's
usual length, and the run has to end by itself. Afterwards the whole home is looked at. The reconciler is left
out: it is not run again for itself, its next turn is within five minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hki_ml.ledger import PROMOTED, entries
from hki_ml.mapping import load_mapping
from hki_ml.metrics.interval import share_interval
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.train import CHAMPION
from hki_ml.wiring import Backend
from tests.conftest import ROOT
from tests.doors.flows.conftest import walk
from tests.doors.flows.live import Stack, platform, until

FLOWS: dict[str, dict[str, Any]] = {
    "retrain/valuation": {"model": "valuation", "reason": "more sales"},
    "materialize/daily": {},
    "ingest/continuous": {},
    "monitor/daily": {},
    "train/by-hand": {"model": "valuation"},
    "promote/by-hand": {"model": "valuation"},
    "retention/daily": {},
    "fairness/monthly": {},
    "review/quarterly": {},
}
ENDS = ("COMPLETED", "FAILED", "CANCELLED")
MORE = 40  # sales that come in before each
LIVE = "RUNNING"
BUSY = "concurrency limit reached"
AT_ONCE = 4  # kills of one platform: the fifth death within ten minutes is no accident to it


def more_sales(stack: Stack, backend: Backend, number: int) -> None:
    """Let sales come in that nobody knew."""
    file = stack.walked.home / "more.parquet"
    sales = pl.read_parquet(stack.walked.home / "sales.parquet")
    first = number * MORE % (len(sales) - MORE)
    changed = sales.slice(first, MORE).with_columns(
        pl.col("price") * (1 + number / 1000), pl.col("id") + (number + 1) * 1_000_000_000_000
    )
    changed.write_parquet(file)
    mapping = load_mapping(ROOT / "mappings" / "king_county.toml")
    Import(backend.bus, backend.lake, mapping, datetime.now(UTC)).run(file)


def ended(stack: Stack, number: str) -> Any:
    """Return a run once it is over."""
    return until(
        lambda: (run := stack.run(number)).state in ENDS and run,
        seconds=400,
        what="the end of a run",
    )


def usual_seconds(stack: Stack, backend: Backend) -> dict[str, float]:
    """Return how long each flow takes from being started to its end when nobody kills it."""
    found: dict[str, float] = {}
    tries = 0
    while len(found) < len(FLOWS):
        tries += 1
        assert tries < 3 * len(FLOWS)
        name = next(each for each in FLOWS if each not in found)
        more_sales(stack, backend, 1_000 + tries)
        number, _ = stack.runs.start(name, FLOWS[name], key=f"usual-{name}-{tries}")
        until(lambda n=number: stack.run(n).state in (LIVE, *ENDS), seconds=120, what=name)
        began = time.monotonic()
        run = ended(stack, number)
        if run.state == "COMPLETED":
            found[name] = time.monotonic() - began
        else:  # the schedule's own run was there: one at a time
            assert BUSY in run.message, (name, run.message)
    return found


def kill(stack: Stack, name: str, *, key: str, after: float) -> dict[str, Any]:
    """Start a flow, kill its worker after so many seconds of it, and wait for the end."""
    number, is_new = stack.runs.start(name, FLOWS[name], key=key)
    assert is_new
    until(lambda: stack.run(number).state in (LIVE, *ENDS), seconds=120, what=f"{name} to run")
    time.sleep(after)
    state, worker = stack.run(number).state, stack.noted["pids"]["worker"]
    killed = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    until(lambda: stack.noted["pids"]["worker"] not in (worker, None), what="a new worker")
    run = ended(stack, number)
    return {
        "flow": name, "after": round(after, 2), "in the middle": state == LIVE, "state": run.state,
        "tries": run.tries, "back after": round(time.monotonic() - killed, 1),
    }  # fmt: skip


def halves(backend: Backend) -> list[str]:
    """Return what is wrong in a home: anything twice, by halves, or out of its order."""
    wrong = []
    for table, key in (("events", "event_id"), ("sales", "sale_id"), ("incidents", None)):
        rows = backend.lake.read(table)
        if key is not None and len(set(rows[key].to_pylist())) != rows.num_rows:
            wrong.append(f"{table}: rows twice")
    known = entries(backend.lake, "valuation")
    if [each.number for each in known] != list(range(1, len(known) + 1)):
        wrong.append("ledger: numbers out of order")
    promoted = Counter(each.version for each in known if each.decision == PROMOTED)
    wrong += [f"version {each} promoted {n} times" for each, n in promoted.items() if n > 1]
    champion = backend.registry.resolve("valuation", CHAMPION)
    last = next(each for each in reversed(known) if each.decision == PROMOTED)
    if champion is None or champion.version != last.version:
        wrong.append(f"champion: the ledger says {last.version}, the registry {champion}")
    from hki_ml.models.valuation import artifact

    with tempfile.TemporaryDirectory() as made:
        for version in backend.registry.versions("valuation"):
            into = Path(made) / version.version
            into.mkdir()
            artifact.load(backend.registry.download(version, into))
    return wrong


def missing(backend: Backend) -> list[str]:
    """Return which sales that came in are not in the tables, or not what is online."""
    events = backend.lake.read("events", columns=["event_type", "event_id"]).to_pandas()
    recorded = int((events["event_type"] == "sale.recorded").sum())
    sales = backend.lake.read("sales").num_rows
    return [] if recorded == sales else [f"{recorded} sales recorded, {sales} in the table"]


def main() -> None:
    """Kill and count."""
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    asked.add_argument("--kills", type=int, default=30)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    chance, did = np.random.default_rng(args.seed), []
    with tempfile.TemporaryDirectory() as made:
        walked = walk(Path(made))
        with platform(walked) as stack:
            usual = usual_seconds(stack, stack.backend())
        print({name: round(seconds, 1) for name, seconds in usual.items()}, flush=True)
        while sum(each["in the middle"] for each in did) < args.kills and len(did) < 3 * args.kills:
            with platform(walked) as stack:
                for _ in range(AT_ONCE):
                    name = list(FLOWS)[len(did) % len(FLOWS)]
                    more_sales(stack, stack.backend(), len(did))
                    after = float(chance.uniform(0, usual[name]))
                    did.append(kill(stack, name, key=f"kill-{len(did)}", after=after))
                    print(did[-1], flush=True)
        with platform(walked) as stack:
            for name in ("ingest/continuous", "materialize/daily"):
                number, _ = stack.runs.start(name, {}, key=f"last-{name}")
                assert ended(stack, number).state == "COMPLETED"
            wrong = halves(stack.backend()) + missing(stack.backend())
    middle = [each for each in did if each["in the middle"]]
    done = sum(each["state"] == "COMPLETED" for each in middle)
    share = 100 * done / len(middle)
    found = {
        "kills in the middle": len(middle), "completed by itself": done,
        "share": [share, *share_interval(share, len(middle))], "wrong": wrong,
        "median seconds from the kill to the end": statistics.median(e["back after"] for e in middle),
        "usual seconds": usual, "kills": did,
    }  # fmt: skip
    print(json.dumps({k: v for k, v in found.items() if k != "kills"}, indent=1))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
