"""What every flow shares: retries, deadlines, what is shown in the UI, and running without any server."""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from prefect import task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext
from prefect.runtime import deployment
from prefect.settings import get_current_settings
from prefect.tasks import exponential_backoff

T = TypeVar("T")
TRANSIENT = ("Unavailable", "Conflict")  # hki_ml.errors: a server away, another writer faster
RETRIES = 3
FIRST_PAUSE_SECONDS = 5


def now() -> datetime:
    """Return the present: the clock is read at doors only."""
    return datetime.now(UTC)


def api_url() -> str | None:
    """Return the Prefect API that this process is told of, if any."""
    url = get_current_settings().api.url
    return None if url is None else str(url)


def is_run() -> bool:
    """Return whether this is a run that a Prefect server knows of."""
    return FlowRunContext.get() is not None


def by_hand(flow: Callable[..., T], *given: object) -> T:
    """Run a flow: known to the server of ``PREFECT_API_URL``, or without one as the function it is.

    Prefect would start a server of its own for a single run, which takes longer than most runs.
    """
    if api_url() is None:
        plain: Callable[..., T] = flow.fn  # type: ignore[attr-defined]
        return plain(*given)
    return flow(*given)


def step(function: Callable[..., T], *given: object, name: str | None = None, **named: object) -> T:
    """Do the work of a flow: under Prefect as a task that is tried again where that may help."""
    if not is_run():
        return function(*given, **named)
    tried = task(
        function,
        name=name or function.__name__,
        retries=RETRIES,
        retry_delay_seconds=exponential_backoff(FIRST_PAUSE_SECONDS),
        retry_jitter_factor=0.5,
        retry_condition_fn=_may_help,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    done: T = tried(*given, **named)
    return done


def _may_help(_task: Any, _run: Any, state: Any) -> bool:
    return any(f"exception {name}" in str(state.message) for name in TRANSIENT)


def watched(seconds: float) -> None:
    """End this process after so long, or once the worker that started it is gone; by hand do nothing.

    Prefect's own timeout cannot stop native code (a matrix product ran 13 s past one second), and a
    run whose worker was killed would go on beside the one that takes its place.
    """
    if deployment.id is None:
        return
    faulthandler.dump_traceback_later(seconds, exit=True)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(75)


def tell(key: str, text: str) -> None:
    """Show Markdown beside the run, or print it where there is none."""
    if is_run():
        create_markdown_artifact(text, key=key)
    else:
        sys.stdout.write(text.rstrip() + "\n")


def tell_table(key: str, rows: Sequence[Mapping[str, object]], *, title: str) -> None:
    """Show rows as a table beside the run, or print them."""
    plain = [{name: _plain(value) for name, value in row.items()} for row in rows]
    if is_run():
        create_table_artifact(plain, key=key, description=title)
        return
    sys.stdout.write(f"{title}\n")
    for row in plain:
        sys.stdout.write("  " + ", ".join(f"{name}: {value}" for name, value in row.items()) + "\n")


def tell_link(key: str, address: str, *, title: str) -> None:
    """Show a link beside the run, or print it."""
    if is_run():
        create_link_artifact(address, key=key, link_text=title)
    else:
        sys.stdout.write(f"{title}: {address}\n")


class Progress:
    """How far a run is, of so many parts."""

    def __init__(self, key: str, parts: int) -> None:
        self._parts, self._done = max(parts, 1), 0
        self._id = create_progress_artifact(0.0, key=key) if is_run() else None

    def one_more(self) -> None:
        """Note that one more part is done."""
        self._done += 1
        if self._id is not None:
            update_progress_artifact(self._id, 100.0 * self._done / self._parts)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
