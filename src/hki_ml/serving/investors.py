"""Everybody who could be shown a deal, as the lake last knew them, held in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from hki_ml.events import AnyEvent, InvestorCriteriaSet
from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.ports import Lake

log = structlog.get_logger()

TABLE = "investor_state"


class PoolHolder:
    """Holds the pool of the table's latest version; ``pool`` is ``None`` until it was read.

    Parameters
    ----------
    lake
        Called on the watching thread only.
    """

    def __init__(self, lake: Callable[[], Lake]) -> None:
        self.pool: InvestorPool | None = None
        self._lake = lake
        self._version: int | None = None
        self._reduced: tuple[InvestorPool | None, tuple[str, ...], InvestorPool | None]
        self._reduced = (None, (), None)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, every_seconds: float) -> None:
        """Start the thread that reads the pool now and whenever the table has changed."""
        self._thread = threading.Thread(
            target=self._watch, args=(every_seconds,), name="watch-investors", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop the watching thread and wait for it, at most five seconds."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    def _watch(self, every_seconds: float) -> None:
        while not self._stop.is_set():
            try:
                self.refresh()
            except Exception:  # a thread's door: it must live on and try again
                log.exception("investors_refresh_failed")
            self._stop.wait(every_seconds)

    def without(self, gone: tuple[str, ...]) -> InvestorPool | None:
        """Return the pool with some more opted out; the same one while nobody else has gone."""
        pool = self.pool
        if pool is None or not gone:
            return pool
        of, known, reduced = self._reduced
        if of is not pool or known != gone or reduced is None:
            opted_out = pool.opted_out.copy()
            opted_out[[pool.place[name] for name in gone if name in pool.place]] = True
            reduced = replace(pool, opted_out=opted_out)
            self._reduced = (pool, gone, reduced)
        return reduced

    def refresh(self) -> bool:
        """Read the pool if the table has changed; return whether it had."""
        lake = self._lake()
        version = lake.version(TABLE)
        if version == self._version:
            return False
        self.pool = InvestorPool.of(latest(lake))
        self._version = version
        log.info("investors_read", investors=len(self.pool), version=version)
        return True


class OptedOut:
    """Investors who said that they want no more, since the service started, however old the lake's state."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def take(self, event: AnyEvent) -> None:
        """Remember who opts out, and who wants offers again."""
        if not isinstance(event, InvestorCriteriaSet):
            return
        if event.properties.opted_out:
            self._ids[event.entity_id] = None
        else:
            self._ids.pop(event.entity_id, None)

    def ids(self) -> tuple[str, ...]:
        """Return who opted out."""
        return tuple(self._ids)


def latest(lake: Lake) -> pa.Table:
    """Return the rows of the last moment for which the table was made."""
    rows = lake.read(TABLE)
    if not rows.num_rows:
        return rows
    stamp = rows["event_timestamp"]
    return rows.filter(pc.equal(stamp, pc.max(stamp)))
