"""Run every flow by hand in one process, without any server, then print as JSON what it did."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flows.door import by_hand
from flows.experiment import experiment
from flows.fairness import fairness
from flows.importing import import_file
from flows.ingest import ingest
from flows.materialize import materialize
from flows.monitor import monitor
from flows.promote import promote
from flows.reconcile import reconcile
from flows.retention import retention
from flows.retrain import retrain
from flows.review import review
from flows.train import train
from hki_ml.errors import SettingsError
from hki_ml.pipeline.track import Tracker
from hki_ml.settings import load_settings
from hki_ml.wiring import connect_bus


def main(file: str, mapping: str, answer: str) -> None:
    """Walk the path, with an event of its own before the ingest."""
    did: dict[str, Any] = {}
    tally = by_hand(import_file, Path(file), Path(mapping))
    did["importing"] = {"read": tally.read, "accepted": tally.accepted}
    before = datetime.now(UTC) - timedelta(seconds=5)  # the online store counts in whole seconds
    Tracker(connect_bus(load_settings()), before).track_event(
        "property.recorded", "told-by-hand", {"facts": {"livingSqft": 1234.0}}, source="door"
    )
    done = by_hand(ingest)
    did["ingest"] = {"read": done.read, "accepted": done.accepted}
    did["materialize"] = {"rows": by_hand(materialize).rows}
    trained = by_hand(train, "valuation")
    did["train"] = {"version": trained.version.version, "is_new": trained.is_new}
    verdict = by_hand(promote, "valuation")
    did["promote"] = {"promoted": verdict.promoted, "reasons": verdict.reasons}
    again = by_hand(retrain, "valuation", "told by hand")
    did["retrain"] = {"outcome": again.outcome, "version": again.version, "is_new": again.is_new}
    did["monitor"] = {"incidents": len(by_hand(monitor).incidents)}
    did["retention"] = {each.what: each.deleted for each in by_hand(retention)}
    did["fairness"] = {each.model: each.said for each in by_hand(fairness).audits}
    did["experiment"] = len(by_hand(experiment))
    did["review"] = {"files": [str(file) for file in by_hand(review).files]}
    try:
        by_hand(reconcile)
    except SettingsError as error:
        did["reconcile"] = str(error)
    Path(answer).write_text(json.dumps(did | {"seconds": time.process_time()}))


if __name__ == "__main__":
    main(*sys.argv[1:4])
