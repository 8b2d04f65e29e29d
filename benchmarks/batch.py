"""Scoring files of leads: seconds and peak memory by rows, beside asking over HTTP row by row.

``python benchmarks/batch.py HOME --rows 10000 100000 1000000`` takes a home with trained lead models (``hki
demo``), copies it and fills its states up to as many open leads as the largest file asks for: states of its
own leads under new ids. Each file is scored by ``hki score`` in a process of its own, whose peak memory the
operating system tells. The loop over HTTP is a client that waits for each answer (httpx, one connection, a
real server on loopback), timed over ``--requests`` and extrapolated.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pyarrow as pa

from hki_ml.settings import Settings
from hki_ml.tables import LEAD_STATE
from hki_ml.wiring import Backend, connect

REPOSITORY = Path(__file__).parents[1]


def fill(backend: Backend, leads: int) -> pa.Table:
    """Give the lake states of this many open leads at one moment; return the home's own."""
    states = backend.lake.read("lead_state").to_pandas()
    newest = states[states["event_timestamp"] == states["event_timestamp"].max()]
    newest = newest.assign(lead_outcome=None).reset_index(drop=True)
    own = pa.Table.from_pandas(newest, schema=LEAD_STATE, preserve_index=False)
    moment = pa.array([newest["event_timestamp"].iloc[0]] * len(own), LEAD_STATE.field(1).type)
    for start in range(0, leads, len(own)):
        count = min(len(own), leads - start)
        some = own.slice(0, count)
        ids = pa.array([f"bench_{start + i:08d}" for i in range(count)])
        some = some.set_column(0, LEAD_STATE.field(0), ids)
        backend.lake.append("lead_state", some.set_column(1, LEAD_STATE.field(1), moment[:count]))
    return own


def write_ids(path: Path, rows: int) -> None:
    path.write_text("lead_id\n" + "\n".join(f"bench_{i:08d}" for i in range(rows)) + "\n")


def environment(home: Path) -> dict[str, str]:
    path = os.pathsep.join((str(REPOSITORY / "src"), str(REPOSITORY)))
    threads = {"OMP_NUM_THREADS": "1", "HKI_THREADS": "1"}
    return os.environ | {"HKI_HOME": str(home), "PYTHONPATH": path} | threads


def score(home: Path, file: Path, out: Path, model: str) -> dict[str, float]:
    """Score a file in a process of its own; return its seconds, CPU seconds and peak memory."""
    code = "from hki_ml.cli import app; app()"
    command = [sys.executable, "-c", code, "score", str(file), "--model", model, "--out", str(out)]
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "hki score failed"
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_gb": used.ru_maxrss / 1e6,
    }


def over_http(home: Path, requests: int, port: int = 3917) -> float:
    """Return seconds an answer of ``score-lead`` to a client that waits for each."""
    server = subprocess.Popen(
        [sys.executable, "-m", "bentoml", "serve", "bentos.service:HKI"],
        env=environment(home) | {"HKI_SERVING__PORT": str(port)}, cwd=REPOSITORY,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=url) as client:
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                try:
                    told = client.get("/api/v1/ml/models").json()["data"]["models"]
                    if sum(each["servingVersion"] is not None for each in told) >= 3:
                        break
                except httpx.TransportError:
                    pass
                time.sleep(0.5)
            known = [row["lead_id"] for row in _own_leads(home)][:requests]
            started = time.perf_counter()
            for lead_id in known:
                client.post("/api/v1/ml/score-lead", json={"leadId": lead_id}).raise_for_status()
            return (time.perf_counter() - started) / len(known)
    finally:
        server.terminate()
        server.wait(30)


def _own_leads(home: Path) -> list[dict[str, str]]:
    lake = connect(Settings(home=home, _env_file=None)).lake
    rows = lake.read("leads", columns=["lead_id", "outcome"]).to_pylist()
    return sorted(rows, key=lambda row: row["outcome"] is not None)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("home", type=Path)
    asked.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    asked.add_argument("--model", default="lead_scoring")
    asked.add_argument("--requests", type=int, default=500)
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="hki-batch-") as made:
        folder = Path(made)
        home = folder / "home"
        shutil.copytree(given.home, home)
        each = over_http(home, given.requests) if given.requests else float("nan")
        os.environ["HKI_HOME"] = str(home)
        fill(connect(Settings(home=home, _env_file=None)), max(given.rows))
        found = []
        print("| rows | seconds | rows/s | CPU s | peak GB | over HTTP, extrapolated |")
        print("|---|---|---|---|---|---|")
        for rows in given.rows:
            file = folder / "ids.csv"
            write_ids(file, rows)
            one = score(home, file, folder / "out.parquet", given.model)
            found.append({"rows": rows, **one, "http_seconds": rows * each})
            print(
                f"| {rows:,} | {one['seconds']:.1f} | {rows / one['seconds']:,.0f} | "
                f"{one['cpu_seconds']:.1f} | {one['peak_gb']:.2f} | {rows * each:,.0f} s |",
                flush=True,
            )
        print(f"over HTTP: {each * 1e3:.2f} ms a request, {given.requests} requests")
        usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"(this script's own peak: {usage:.2f} GB; {datetime.now(UTC):%Y-%m-%d})")
        if given.json:
            given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
