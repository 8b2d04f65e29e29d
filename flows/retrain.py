"""A model learns again, for a reason: ``python -m flows.retrain valuation "new sales"``."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 14_400


@flow(timeout_seconds=LIMIT_SECONDS)
def retrain(
    model: str,
    reason: str = "by hand",
    incident_id: str | None = None,
    window_start: datetime | None = None,
    window_end: datetime | None = None,
) -> Any:
    """Ask whether the data are sound, train, and hand over to the gate; on schedule or for an incident."""
    from dataclasses import asdict

    from hki_ml.pipeline.retrain import retrain as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    window = None if window_start is None or window_end is None else (window_start, window_end)
    done = step(
        run,
        connect(load_settings()),
        model,
        reason=reason,
        as_of=now(),
        incident_id=incident_id,
        window=window,
    )
    tell_table(
        f"retrained-{model.replace('_', '-')}", [asdict(done)], title=f"{model}: {done.outcome}"
    )
    return done


if __name__ == "__main__":
    by_hand(retrain, *sys.argv[1:4])
