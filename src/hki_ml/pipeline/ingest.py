"""From the bus into the lake, each event exactly once; what is bad goes to quarantine.

An offset of the bus rests in the same commit as the rows that were read up to it. A crash between any
two steps is mended by the next run: it reads from the offset of the last commit.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa

from hki_ml import tables
from hki_ml.errors import Conflict
from hki_ml.pipeline.known_ids import KnownIds, add_stored, from_texts, stored_ids
from hki_ml.ports import Batch, EventBus, Lake, Span
from hki_ml.transforms.events import Refused, event_rows, tell_apart

MAX_RECORDS = 65_536
ATTEMPTS = 8


@dataclass
class Ingested:
    """What an ingest did, counted."""

    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)


def ingest(
    bus: EventBus,
    lake: Lake,
    *,
    ingested_at: datetime,
    max_records: int = MAX_RECORDS,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Ingested:
    """Bring the lake's ``events`` and ``quarantine`` up to the bus's present end.

    Several may run at once: a commit that comes second is told so, reads the new offset and goes on.

    Parameters
    ----------
    ingested_at
        The present, aware.
    on_progress
        Called after each commit with the records done since the call before.

    Raises
    ------
    Unavailable
        If the bus or the lake does not answer; what was committed stays and is not read again.
    """
    run = _Run(lake, ingested_at)
    starts = {p: lake.offset("events", _application(p)) for p in bus.partitions()}
    known = {p: offset for p, offset in starts.items() if offset is not None}
    for batch in bus.read(known, max_records=max_records):
        run.take(batch)
        on_progress(len(batch.records))
    return run.done


def _application(partition: int) -> str:
    return f"bus:{partition}"


class _Run:
    """One ingest: the ids known so far, and at which version of the events they were."""

    def __init__(self, lake: Lake, ingested_at: datetime) -> None:
        self.done = Ingested()
        self._lake = lake
        self._ingested_at = ingested_at
        self._ids: KnownIds | None = None
        self._version = -1

    def take(self, batch: Batch) -> None:
        """Commit a batch, or what another ingest left of it."""
        for _ in range(ATTEMPTS):
            try:
                self._commit(batch)
            except Conflict:
                continue
            return
        raise Conflict(
            f"expected to commit offsets {batch.start} to {batch.end}, others were faster"
        )

    def _commit(self, batch: Batch) -> None:
        application = _application(batch.partition)
        stored = self._lake.offset("events", application) or 0
        if stored >= batch.end:
            return
        rest = batch.records[max(0, stored - batch.start) :]
        first = batch.end - len(rest)
        events, refused = tell_apart(rest, first)
        # Quarantine comes first: its own offset tells, after a crash between the two, what it has.
        self._quarantine(refused, batch, application)
        rows = event_rows(events, ingested_at=self._ingested_at)
        ids = from_texts(rows["event_id"].to_pylist())
        known = self._known()
        is_new = known.new(ids)
        rows = rows.filter(pa.array(is_new))
        self._version = self._lake.append(
            "events", rows, spans={application: Span(stored, batch.end)}
        )
        known.add(ids[is_new])
        self.done.read += len(rest)
        self.done.accepted += rows.num_rows
        self.done.duplicates += len(ids) - rows.num_rows
        self.done.quarantined.update(each.reason for each in refused)

    def _known(self) -> KnownIds:
        """Return the ids in the lake as of now, reading only what others added since the last look."""
        version = self._lake.version("events")
        if self._ids is None:
            self._ids = stored_ids(self._lake, "events", "event_id", until=version)
        elif version > self._version:
            news = self._lake.batches(
                "events", columns=["event_id"], since=self._version, until=version
            )
            add_stored(self._ids, news)
        self._version = version
        return self._ids

    def _quarantine(self, refused: Sequence[Refused], batch: Batch, application: str) -> None:
        if not refused:
            return
        stored = self._lake.offset("quarantine", application) or 0
        left = [each for each in refused if each.offset >= stored]
        if left:
            rows = _quarantine_rows(left, application, self._ingested_at)
            self._lake.append("quarantine", rows, spans={application: Span(stored, batch.end)})


def _quarantine_rows(refused: Sequence[Refused], application: str, at: datetime) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "quarantine_id": quarantine_id(application, str(each.offset), each.reason),
                "reason": each.reason,
                "detail": each.detail,
                "raw": each.raw.decode(errors="replace"),
                "origin": application,
                "row_number": each.offset,
                "quarantined_at": at,
            }
            for each in refused
        ],
        schema=tables.QUARANTINE,
    )


def quarantine_id(*content: str) -> str:
    """Return 32 hexadecimal digits that are the same for the same content."""
    return hashlib.blake2b("\x1f".join(content).encode(), digest_size=16).hexdigest()
