"""The challenger through the gate: ``python -m flows.promote valuation``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from prefect import flow

from hki_ml.pipeline.promote import Verdict
from hki_ml.pipeline.promote import promote as run
from hki_ml.settings import load_settings
from hki_ml.wiring import connect


@flow
def promote(model: str) -> Verdict:
    """Run the ``promote`` step of the path."""
    return run(connect(load_settings()), model, as_of=datetime.now(UTC))


if __name__ == "__main__":
    promote(*sys.argv[1:2])
