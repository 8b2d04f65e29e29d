"""What the feature store says of an entity now, through a small memory that outlives the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hki_ml.errors import HkiError, Unavailable
from hki_ml.ports import FeatureStore, OnlineRow


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity's facts, when the store saw them, when we read them, and whether they may be outdated."""

    facts: Mapping[str, Any]
    seen_at: datetime
    read_at: datetime
    is_stale: bool = False


class OnlineEntities:
    """Reads entities of one feature service by id; remembers the last ``keep`` for ``fresh_seconds``.

    An entity that was read before is still answered, as stale, while the store is away.

    Parameters
    ----------
    store
        Reached at the first use.
    service
        The feature service.
    facts_of
        What of a stored row is kept.
    """

    def __init__(
        self,
        store: Callable[[], FeatureStore],
        service: str,
        facts_of: Callable[[OnlineRow], Mapping[str, Any]],
        *,
        keep: int = 20_000,
        fresh_seconds: float = 30.0,
    ) -> None:
        self._store = store
        self._service = service
        self._facts_of = facts_of
        self._reading = threading.Lock()  # the store is read by one thread at a time
        self._keep = keep
        self._fresh_seconds = fresh_seconds
        self._known: OrderedDict[str, tuple[datetime, Entity | None]] = OrderedDict()
        self._lock = threading.Lock()

    def remembered(self, entity_id: str, now: datetime) -> tuple[bool, Entity | None]:
        """Return whether a fresh answer is at hand, and that answer."""
        with self._lock:
            entry = self._known.get(entity_id)
            if entry is None or (now - entry[0]).total_seconds() > self._fresh_seconds:
                return False, None
            self._known.move_to_end(entity_id)
            return True, entry[1]

    def read(self, entity_id: str, now: datetime) -> Entity | None:
        """Return the entity as the store has it now, ``None`` if it knows none of that id.

        Raises
        ------
        Unavailable
            If the store does not answer and the entity was never read before.
        """
        try:
            with self._reading:
                row = self._store().online(self._service, [entity_id])[0]
        except (HkiError, OSError) as error:
            with self._lock:
                before = self._known.get(entity_id, (now, None))[1]
            if before is None:
                raise Unavailable("the feature store does not answer") from error
            return Entity(before.facts, before.seen_at, before.read_at, is_stale=True)
        entity = None if row.seen_at is None else Entity(self._facts_of(row), row.seen_at, now)
        with self._lock:
            self._known[entity_id] = (now, entity)
            self._known.move_to_end(entity_id)
            while len(self._known) > self._keep:
                self._known.popitem(last=False)
        return entity
