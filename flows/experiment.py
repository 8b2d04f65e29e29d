"""The next step of every experiment that runs, or its end: ``python -m flows.experiment``."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 1_800


@flow(timeout_seconds=LIMIT_SECONDS)
def experiment() -> Any:
    """Judge what runs: it goes on, grows by a stage, wins, or is stopped for harm, which is told."""
    from hki_ml.experimenting import step_all
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    done = step(step_all, connect(load_settings()), at=now())
    rows = [
        {"experiment": each.experiment.name, "action": each.action, "reason": each.reason}
        for each in done
    ]
    tell_table("experiments", rows, title="Experiments")
    return done


if __name__ == "__main__":
    by_hand(experiment)
