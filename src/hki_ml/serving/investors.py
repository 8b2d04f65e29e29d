"""Everybody who could be shown a deal, as the lake last knew them, held in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import structlog

from hki_ml.events import AnyEvent, InvestorCriteriaSet, InvestorDeleted, InvestorRegistered
from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.ports import Lake

log = structlog.get_logger()

TABLE = "investor_state"


@dataclass(frozen=True, slots=True)
class Gone:
    """Who went since the lake's state of investors was made."""

    opted_out: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


NOBODY = Gone()


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
        self._reduced: tuple[InvestorPool | None, Gone, InvestorPool | None]
        self._reduced = (None, NOBODY, None)
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

    def without(self, gone: Gone) -> InvestorPool | None:
        """Return the pool without whoever has gone; the same one while nobody else has.

        Who opted out is still known, and never answered; who was deleted is not known.
        """
        pool = self.pool
        if pool is None or gone == NOBODY:
            return pool
        of, known, reduced = self._reduced
        if of is not pool or known != gone or reduced is None:
            opted_out = pool.opted_out.copy()
            left = (*gone.opted_out, *gone.deleted)
            opted_out[[pool.place[name] for name in left if name in pool.place]] = True
            place = {name: at for name, at in pool.place.items() if name not in set(gone.deleted)}
            reduced = replace(pool, opted_out=opted_out, place=place)
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


class Departures:
    """Investors who went since the service started, however old the lake's state of them."""

    def __init__(self) -> None:
        self._opted_out: dict[str, None] = {}
        self._deleted: dict[str, None] = {}

    def take(self, event: AnyEvent) -> None:
        """Remember who goes, and who comes back."""
        who = event.entity_id
        if isinstance(event, InvestorDeleted):
            self._deleted[who] = None
        elif isinstance(event, InvestorRegistered):
            self._deleted.pop(who, None)
        elif isinstance(event, InvestorCriteriaSet):
            if event.properties.opted_out:
                self._opted_out[who] = None
            else:
                self._opted_out.pop(who, None)

    def gone(self) -> Gone:
        """Return who went."""
        return Gone(tuple(self._opted_out), tuple(self._deleted))


def latest(lake: Lake, version: int | None = None) -> pa.Table:
    """Return the rows of the last moment for which the table was made, as of a version of it."""
    rows = lake.read(TABLE, version=version)
    if not rows.num_rows:
        return rows
    stamp = rows["event_timestamp"]
    return rows.filter(pc.equal(stamp, pc.max(stamp)))
