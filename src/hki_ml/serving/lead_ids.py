"""Which leads were ever created: the lake's events read on from where the last look ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pyarrow.compute as pc

from hki_ml.ports import Lake


class LeadIds:
    """The ids of all leads in the lake, and after a second look of those on the bus.

    Parameters
    ----------
    catch_up
        Brings the lake up to the bus.
    """

    def __init__(self, lake: Callable[[], Lake], catch_up: Callable[[], None]) -> None:
        self._lake = lake
        self._catch_up = catch_up
        self._ids: set[str] = set()
        self._version = -1
        self._lock = threading.Lock()

    def unknown(self, lead_ids: Sequence[str]) -> set[str]:
        """Return those of the ids that nobody created.

        Raises
        ------
        Unavailable
            If the lake does not answer.
        """
        with self._lock:
            self._read_on()
            missing = set(lead_ids) - self._ids
            if missing:
                self._catch_up()
                self._read_on()
            return set(lead_ids) - self._ids

    def _read_on(self) -> None:
        lake = self._lake()
        version = lake.version("events")
        if version <= self._version:
            return
        since = None if self._version < 0 else self._version
        columns = ["event_type", "entity_id"]
        for batch in lake.batches("events", columns=columns, since=since, until=version):
            created = pc.equal(batch.column("event_type"), "lead.created")
            self._ids.update(batch.column("entity_id").filter(created).to_pylist())
        self._version = version
