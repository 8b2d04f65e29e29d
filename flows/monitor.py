"""What moved, and who is to do something about it: ``python -m flows.monitor``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.events import emit_event

from flows.door import api_url, by_hand, now, step, tell_link, tell_table, watched

LIMIT_SECONDS = 3_600
DRIFT = "hki.drift.detected"


@flow(timeout_seconds=LIMIT_SECONDS)
def monitor(models: list[str] | None = None) -> Any:
    """Look at every model's data, answers and figures; the verdicts are in the lake before anybody hears."""
    from dataclasses import asdict

    from hki_ml.pipeline.incidents import open_for, tell
    from hki_ml.pipeline.monitor import monitor as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    watched(LIMIT_SECONDS)
    at = now()
    backend = connect(load_settings())
    done = step(run, backend, now=at, models=models)
    tell_table("incidents", [asdict(each) for each in done.incidents], title="Incidents")
    for report in done.reports:
        name = Path(report).stem.lower().replace("_", "-")
        tell_link(f"report-{name}", _address(report), title=name)
    announce(open_for(backend.lake, "retrain"))
    tell(backend.settings, done.incidents, now=at)
    return done


def announce(incidents: Iterable[Any]) -> None:
    """Emit an event of each incident; without a server nobody would hear it, and the table has it."""
    if api_url() is None:
        return
    for each in incidents:
        emit_event(
            DRIFT,
            resource={
                "prefect.resource.id": f"hki.model.{each.model}",
                "hki.severity": each.severity,
            },
            payload={
                "model": each.model,
                "reason": each.reason,
                "incident_id": each.incident_id,
                "window_start": each.window_start.isoformat(),
                "window_end": each.window_end.isoformat(),
            },
        )


def _address(report: str) -> str:
    return report if "://" in report else Path(report).absolute().as_uri()


if __name__ == "__main__":
    by_hand(monitor, *([sys.argv[1:]] if sys.argv[1:] else []))
