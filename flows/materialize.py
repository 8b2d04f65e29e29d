"""Feature tables and the online store brought up to now: ``python -m flows.materialize``."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell, tell_table, watched

LIMIT_SECONDS = 3_600


@flow(timeout_seconds=LIMIT_SECONDS)
def materialize() -> Any:
    """Run the ``materialize`` step of the path; what is said of the data is said even if it fails."""
    from dataclasses import asdict

    from hki_ml.pipeline.materialize import materialize as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    at = now()
    backend = connect(load_settings())
    try:
        done = step(run, backend, until=at)
        tell_table("materialized", [asdict(done)], title="What is online now")
    finally:
        _publish_quality(backend, at)
    return done


def _publish_quality(backend: Any, at: Any) -> None:
    from hki_ml.alerts import alert, send
    from hki_ml.pipeline.quality import data_quality

    quality = step(data_quality, backend, now=at)
    tell("data-quality", quality.markdown())
    if quality.broken:
        summary = f"data that came in are broken: {'; '.join(quality.problems)}"
        send(backend.settings, alert("data-broken", "materialize", summary), now=at)


if __name__ == "__main__":
    by_hand(materialize)
