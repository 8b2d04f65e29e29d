"""Feature tables and the online store brought up to now: ``python -m flows.materialize``."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from hki_ml.pipeline.materialize import Materialized
from hki_ml.pipeline.materialize import materialize as run
from hki_ml.settings import load_settings
from hki_ml.wiring import connect


@flow
def materialize() -> Materialized:
    """Run the ``materialize`` step of the path."""
    return run(connect(load_settings()), until=datetime.now(UTC))


if __name__ == "__main__":
    materialize()
