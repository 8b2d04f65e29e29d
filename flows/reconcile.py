"""What should run compared with what does: ``python -m flows.reconcile`` (needs ``PREFECT_API_URL``)."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.door import api_url, by_hand, now, step, tell_table, watched

LIMIT_SECONDS = 240


@flow(timeout_seconds=LIMIT_SECONDS)
def reconcile() -> Any:
    """Start what an event did not start, run again what died, do once what is due many times."""
    from dataclasses import asdict

    from hki_ml.errors import SettingsError
    from hki_ml.pipeline.reconcile import reconcile as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect, connect_runs

    watched(LIMIT_SECONDS)
    url = api_url()
    if url is None:
        raise SettingsError(
            "expected PREFECT_API_URL: without a server there is nothing to compare"
        )
    me = flow_run.id
    backend = connect(load_settings())
    done = step(run, backend, connect_runs(url), now=now(), me=None if me is None else str(me))
    if any(asdict(done).values()):
        tell_table("reconciled", [asdict(done)], title="What was put right")
    return done


if __name__ == "__main__":
    by_hand(reconcile)
