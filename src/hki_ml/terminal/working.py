"""The process that does jobs: ``python -m hki_ml.terminal.working FOLDER PARENT``."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import structlog

from hki_ml.batch.job import held
from hki_ml.batch.run import Runner
from hki_ml.errors import Conflict
from hki_ml.serving.bulks import BULKS
from hki_ml.serving.jobs import Jobs

NICENESS = 10  # online answers go first
BUSY = 75


def main(folder: Path, parent: int) -> int:
    """Do the jobs that have not ended, oldest first; return 75 if another process is at it."""
    from hki_ml.pipeline.ingest import ingest
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    os.nice(NICENESS)
    backend = connect(load_settings())

    def now() -> datetime:
        return datetime.now(UTC)

    def catch_up() -> None:
        ingest(backend.bus, backend.lake, ingested_at=now())

    def goes_on() -> bool:
        return os.getppid() == parent  # an orphan would work for nobody

    runner = Runner(backend, BULKS, clock=now, catch_up=catch_up, goes_on=goes_on)
    jobs = Jobs(folder, {}, lambda: None)
    try:
        with held(folder / "runner.lock", "another process does the jobs"):
            while goes_on() and (waiting := jobs.unfinished()):
                runner.run(waiting[0])
    except Conflict:
        return BUSY
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
