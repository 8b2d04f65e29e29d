"""How the champions treat groups that the law protects: ``python -m flows.fairness``."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 3_600


@flow(timeout_seconds=LIMIT_SECONDS)
def fairness() -> Any:
    """Look at how each champion treats the groups that are known; ``not measured`` where none are."""
    from hki_ml.pipeline.fairness import audit
    from hki_ml.pipeline.incidents import tell
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    settings, at = load_settings(), now()
    done = step(audit, connect(settings), now=at)
    tell(settings, done.incidents, now=at)
    rows = [
        {"model": each.model, "champion": each.version, "measured": each.said}
        | {name: str(value) for name, value in (each.trial or {}).items()}
        for each in done.audits
    ]
    tell_table("fairness", rows, title="Groups that the law protects")
    return done


if __name__ == "__main__":
    by_hand(fairness)
