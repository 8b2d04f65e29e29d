"""What the features of 200,000 leads cost from 1, 3 and 10 million events: seconds, memory, and the curve.

Leads and half of the activity are simulated; more visits are drawn until there are as many events as
asked. Each size runs in a process of its own. ``--plot FILE`` draws how the cost grows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

SIZES = (1_000_000, 3_000_000, 10_000_000)
LEADS = 200_000
ENDS = datetime(2016, 12, 28, tzinfo=UTC)


def write_events(folder: Path, size: int) -> Path:
    """Write as many events about ``LEADS`` leads; return the Parquet file."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from hki_ml.simulation.market import events_table
    from hki_ml.simulation.world import World
    from hki_ml.tables import EVENTS, TIME
    from tests.unit.simulation.town import town

    events = events_table(World.before(ENDS, leads=LEADS), town())
    events = events.filter(pc.starts_with(events["event_type"], "lead."))
    kinds = pc.is_in(events["event_type"], pa.array(["lead.created", "lead.closed", "lead.lost"]))
    needed, rest = events.filter(kinds), events.filter(pc.invert(kinds))
    rest = rest.slice(0, max(0, size - needed.num_rows))
    more = size - needed.num_rows - rest.num_rows
    path = folder / f"{size}.parquet"
    with pq.ParquetWriter(path, EVENTS) as writer:
        writer.write_table(needed)
        writer.write_table(rest)
        created = needed.filter(pc.equal(needed["event_type"], "lead.created"))
        ids, moments = created["entity_id"].to_numpy(), pc.cast(created["occurred_at"], pa.int64())
        chance = np.random.default_rng(0)
        for _ in range(0, more, 500_000):
            who = chance.integers(0, len(ids), min(more, 500_000))
            at = moments.to_numpy()[who] + (chance.exponential(20, len(who)) * 86_400e6).astype(int)
            stamp = pa.array(at).cast(TIME)
            text = pa.array(["lead.visited"] * len(who))
            blank = pa.array(["{}"] * len(who))
            columns = [text, text, pa.array([1] * len(who), pa.int32()), pa.array(ids[who]), stamp]
            writer.write_table(pa.table([*columns, stamp, text, blank, stamp], schema=EVENTS))
    return path


def measure(path: Path) -> dict[str, float]:
    """Return seconds and peak memory of all features of the events in a file."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    from hki_ml.learning.lead_features import feature_frame
    from hki_ml.pipeline.tabulate import state_moments
    from hki_ml.tables import EVENTS
    from hki_ml.transforms.lead_state import COLUMNS, Activity, lead_state
    from hki_ml.transforms.leads import KINDS, leads

    started = time.perf_counter()
    data = ds.dataset(path)
    wanted = pc.field("event_type").isin(list(KINDS))
    known = leads(data.to_table(filter=wanted).cast(EVENTS))
    batches = data.scanner(columns=list(COLUMNS)).to_batches()
    activity = Activity.of(batches, known["lead_id"].combine_chunks())
    moments = state_moments(known, ENDS)
    rows = features = 0
    for begin in range(0, moments.num_rows, 200_000):
        part = lead_state(moments.slice(begin, 200_000), known, activity)
        features += feature_frame(part.to_pandas()).shape[1]
        rows += part.num_rows
        pa.default_memory_pool().release_unused()
    return {
        "events": float(data.count_rows()),
        "leads": float(known.num_rows),
        "rows": float(rows),
        "seconds": time.perf_counter() - started,
        "peak_gb": peak_gb(),
    }


def peak_gb() -> float:
    """Return this process's peak memory; ``getrusage`` would start from that of its parent."""
    status = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1e6


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--measure", type=Path)
    asked.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    asked.add_argument("--plot", type=Path)
    given = asked.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    found = []
    with tempfile.TemporaryDirectory() as made:
        for size in given.sizes:
            path = write_events(Path(made), size)
            command = [sys.executable, __file__, "--measure", str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append(json.loads(done.stdout))
            print(json.dumps(found[-1]), flush=True)
    if given.plot:
        plot(found, given.plot)


def plot(found: list[dict[str, float]], path: Path) -> None:
    """Draw seconds and gigabytes over millions of events."""
    import matplotlib.pyplot as plt

    events = [each["events"] / 1e6 for each in found]
    figure, left = plt.subplots(figsize=(6, 3.4))
    left.plot(events, [each["seconds"] for each in found], "o-", color="#0f6f66", label="seconds")
    left.set(xlabel="million events about 200,000 leads", ylabel="seconds", ylim=(0, None))
    right = left.twinx()
    right.plot(events, [each["peak_gb"] for each in found], "s--", color="#b3402a", label="GB")
    right.set(ylabel="peak memory, GB", ylim=(0, None))
    figure.legend(loc="upper left", bbox_to_anchor=(0.14, 0.88))
    figure.tight_layout()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
