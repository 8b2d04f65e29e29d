"""The pack of the last quarter: ``python -m flows.review``."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell, tell_link, watched

LIMIT_SECONDS = 3_600


@flow(timeout_seconds=LIMIT_SECONDS)
def review() -> Any:
    """Write figures over time, decisions, drifts and recommendations of the last quarter."""
    from hki_ml.pipeline.review import review as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    done = step(run, connect(load_settings()), now=now())
    tell("review", done.markdown)
    for file in done.files:
        tell_link(
            f"review-{file.suffix[1:]}", file.as_uri(), title=f"{done.name} ({file.suffix[1:]})"
        )
    return done


if __name__ == "__main__":
    by_hand(review)
