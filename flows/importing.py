"""A file's rows into the lake: ``python -m flows.importing FILE MAPPING``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from hki_ml.mapping import load_mapping
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.reading import Tally
from hki_ml.settings import load_settings
from hki_ml.wiring import connect


@flow(name="import")
def import_file(file: Path, mapping: Path) -> Tally:
    """Run the ``import`` step of the path."""
    backend = connect(load_settings())
    return Import(backend.bus, backend.lake, load_mapping(mapping), datetime.now(UTC)).run(file)


if __name__ == "__main__":
    import_file(*map(Path, sys.argv[1:3]))
