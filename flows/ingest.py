"""Events from the bus into the lake: ``python -m flows.ingest``."""

from __future__ import annotations

from hki_ml.pipeline.ingest import Ingested
from hki_ml.pipeline.ingest import ingest as run
from prefect import flow

from hki_ml.settings import load_settings
from hki_ml.wiring import connect


@flow
def ingest() -> Ingested:
    """Run the ``ingest`` step of the path."""
    return run(connect(load_settings()))


if __name__ == "__main__":
    ingest()
