"""Run every flow by hand in one process, then print as JSON what it did and what the server says of it."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.client.orchestration import get_client

from flows.importing import import_file
from flows.ingest import ingest
from flows.materialize import materialize
from flows.promote import promote
from flows.train import train
from hki_ml.pipeline.track import Tracker
from hki_ml.settings import load_settings
from hki_ml.wiring import connect_bus


def main(file: str, mapping: str) -> None:
    """Walk the path, with an event of its own before the ingest."""
    did: dict[str, Any] = {}
    tally = import_file(Path(file), Path(mapping))
    did["import"] = {"read": tally.read, "accepted": tally.accepted}
    Tracker(connect_bus(load_settings()), datetime.now(UTC)).track_event(
        "property.recorded", "told-by-hand", {"facts": {"livingSqft": 1234.0}}, source="door"
    )
    done = ingest()
    did["ingest"] = {"read": done.read, "accepted": done.accepted}
    did["materialize"] = {"rows": materialize().rows}
    trained = train("valuation")
    did["train"] = {"version": trained.version.version, "is_new": trained.is_new}
    verdict = promote("valuation")
    did["promote"] = {"promoted": verdict.promoted, "reasons": verdict.reasons}
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs()
        names = {flow.id: flow.name for flow in client.read_flows()}
    states = {names[run.flow_id]: run.state_name for run in runs}
    sys.stdout.write(json.dumps({"did": did, "states": states}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
