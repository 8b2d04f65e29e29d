"""A candidate trained, judged out of time and registered: ``python -m flows.train valuation``."""

from __future__ import annotations

import sys
from typing import Any

from prefect import flow

from flows.door import by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 14_400


@flow(timeout_seconds=LIMIT_SECONDS)
def train(model: str, seed: int = 0) -> Any:
    """Run the ``train`` step of the path."""
    from hki_ml.pipeline.train import train as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    done = step(run, connect(load_settings()), model, as_of=now(), seed=seed)
    made = {"model": model, "version": done.version.version, "is_new": done.is_new}
    tell_table(
        f"trained-{model.replace('_', '-')}", [made | dict(done.version.figures)], title="Version"
    )
    return done


if __name__ == "__main__":
    by_hand(train, *sys.argv[1:2])
