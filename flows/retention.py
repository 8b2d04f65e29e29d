"""What is older than its rule says is deleted: ``python -m flows.retention``."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 3_600


@flow(timeout_seconds=LIMIT_SECONDS)
def retention() -> Any:
    """Apply the rules of what is kept for how long; events are never among them."""
    from dataclasses import asdict

    from hki_ml.pipeline.retention import retain
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    done = step(retain, connect(load_settings()), now=now())
    tell_table("retained", [asdict(each) for each in done], title="What was deleted, by which rule")
    return done


if __name__ == "__main__":
    by_hand(retention)
