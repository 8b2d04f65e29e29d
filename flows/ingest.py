"""Events from the bus into the lake and its tables: ``python -m flows.ingest``."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect import flow

from hki_ml.pipeline.ingest import Ingested
from hki_ml.pipeline.ingest import ingest as run
from hki_ml.pipeline.tabulate import tabulate_sales
from hki_ml.settings import load_settings
from hki_ml.wiring import connect


@flow
def ingest() -> Ingested:
    """Run the ``ingest`` step of the path."""
    backend = connect(load_settings())
    done = run(backend.bus, backend.lake, ingested_at=datetime.now(UTC))
    tabulate_sales(backend.lake)
    return done


if __name__ == "__main__":
    ingest()
