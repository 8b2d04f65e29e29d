"""A file's rows into the lake: ``python -m flows.importing FILE MAPPING``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 7_200


@flow(name="import", timeout_seconds=LIMIT_SECONDS)
def import_file(file: Path, mapping: Path) -> Any:
    """Run the ``import`` step of the path."""
    from hki_ml.alerts import alert, send
    from hki_ml.mapping import load_mapping
    from hki_ml.pipeline.importing import Import
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    backend = connect(load_settings())
    run = Import(backend.bus, backend.lake, load_mapping(mapping), now())
    done = step(run.run, file, name="import")
    counted = {"file": file.name, "read": done.read, "accepted": done.accepted}
    if done.held:
        summary = f"{file.name} of {run.mapping.source} was held, no row came in: {done.held[0]}"
        detail = "; ".join(done.held)
        send(backend.settings, alert("data-broken", file.name, summary, detail), now=now())
    refused = {f"refused: {reason}": count for reason, count in done.refused.items()}
    tell_table("imported", [counted | refused], title="What the file brought")
    return done


if __name__ == "__main__":
    by_hand(import_file, *map(Path, sys.argv[1:3]))
