"""Events from the bus into the lake and its tables: ``python -m flows.ingest``."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 1_800


@flow(timeout_seconds=LIMIT_SECONDS)
def ingest() -> Any:
    """Run the ``ingest`` step of the path."""
    from hki_ml.pipeline.ingest import ingest as run
    from hki_ml.pipeline.tabulate import tabulate_sales
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    backend = connect(load_settings())
    done = step(run, backend.bus, backend.lake, ingested_at=now())
    sales = step(tabulate_sales, backend.lake)
    if done.read:
        counted = {"read": done.read, "accepted": done.accepted, "duplicates": done.duplicates}
        refused = {f"refused: {reason}": count for reason, count in done.quarantined.items()}
        tell_table("ingested", [counted | refused | {"sales": sales}], title="What came in")
    return done


if __name__ == "__main__":
    by_hand(ingest)
