"""The challenger through the gate: ``python -m flows.promote valuation``."""

from __future__ import annotations

import sys
from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 3_600


@flow(timeout_seconds=LIMIT_SECONDS)
def promote(model: str) -> Any:
    """Run the ``promote`` step of the path."""
    from hki_ml.pipeline.promote import promote as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    said = step(run, connect(load_settings()), model, as_of=now())
    row = {
        "model": model,
        "candidate": said.candidate.version,
        "champion": None if said.champion is None else said.champion.version,
        "promoted": said.promoted,
        "reasons": said.reasons,
    }
    tell_table(f"promoted-{model.replace('_', '-')}", [row], title="What the gate said")
    return said


if __name__ == "__main__":
    by_hand(promote, *sys.argv[1:2])
