"""What bringing 300,000 leads online costs: all of them at once, and a day's news. Seconds and memory.

    python benchmarks/materialization.py [--leads 300000] [--json FILE]

The leads and all that happens to them are simulated on a small town and lie in a lake of its own as events;
then ``materialize`` runs as every night (``python -m flows.materialize``), each time in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lead_features import peak_gb

ENDS = datetime(2016, 12, 28, tzinfo=UTC)
DAY = timedelta(days=1)
STEPS = ("all of it", "a day's news", "nothing new")


def write_events(folder: Path, leads: int) -> None:
    """Write the events of so many leads, the last day's apart."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from hki_ml.simulation.market import events_table
    from hki_ml.simulation.world import World
    from tests.unit.simulation.town import town

    events = events_table(World.before(ENDS, leads=leads), town())
    is_late = pc.greater_equal(
        events["occurred_at"], pa.scalar(ENDS - DAY, events.schema.field("occurred_at").type)
    )
    pq.write_table(events.filter(pc.invert(is_late)), folder / "before.parquet")
    pq.write_table(events.filter(is_late), folder / "news.parquet")


def run(folder: Path, step: str) -> dict[str, Any]:
    """Materialize once and return what it cost."""
    import pyarrow.parquet as pq

    from hki_ml.pipeline.materialize import materialize
    from hki_ml.settings import load_settings
    from hki_ml.tables import EVENTS
    from hki_ml.wiring import connect

    backend = connect(load_settings())
    names = {"all of it": "before", "a day's news": "news"}
    came = 0
    if step in names:
        events = pq.read_table(folder / f"{names[step]}.parquet").cast(EVENTS)
        backend.lake.append("events", events)
        came = events.num_rows
        del events
    before = peak_gb()
    started = time.perf_counter()
    done = materialize(backend, until=ENDS - DAY if step == "all of it" else ENDS)
    return {
        "step": step, "events": came, "seconds": time.perf_counter() - started,
        "peak_gb": peak_gb(), "peak_gb before": before, "states": done.lead_states, "rows": done.rows,
        "leads": backend.lake.read("leads", columns=["lead_id"]).num_rows,
    }  # fmt: skip


def main() -> None:
    """Measure each step in a process of its own."""
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    asked.add_argument("--leads", type=int, default=300_000)
    asked.add_argument("--json", type=Path)
    asked.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    asked.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.step:
        print(json.dumps(run(given.folder, given.step)))
        return
    found = []
    with tempfile.TemporaryDirectory() as made:
        write_events(Path(made), given.leads)
        told = os.environ | {"HKI_HOME": f"{made}/home"}
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step]
            done = subprocess.run(
                [*command, "--folder", made],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
                env=told,
            )
            found.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(found[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
