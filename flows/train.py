"""A candidate trained, judged out of time and registered: ``python -m flows.train valuation``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from prefect import flow

from hki_ml.pipeline.train import Trained
from hki_ml.pipeline.train import train as run
from hki_ml.settings import load_settings
from hki_ml.wiring import connect


@flow
def train(model: str, seed: int = 0) -> Trained:
    """Run the ``train`` step of the path."""
    return run(connect(load_settings()), model, as_of=datetime.now(UTC), seed=seed)


if __name__ == "__main__":
    train(*sys.argv[1:2])
