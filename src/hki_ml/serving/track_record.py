"""Whether scores came true: by band, the share of leads that closed, with n and an interval."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import pyarrow.compute as pc

from hki_ml.metrics.interval import share_interval
from hki_ml.ports import Lake

HORIZON = timedelta(days=90)
BANDS = 10


@dataclass
class TrackRecord:
    """The live record: scores that were given to callers and what became of their leads.

    A lead counts once a band, at the first score that it was given there, and only once its 90 days
    have passed.
    """

    lake: Callable[[], Lake]
    _read_until: int = -1
    _given: dict[tuple[str, int], Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def bands(self) -> list[dict[str, Any]]:
        """Return a row a band of ten points, highest first; a share is ``None`` where n is 0."""
        with self._lock:
            self._read_on()
            return self._judged()

    def _read_on(self) -> None:
        lake = self.lake()
        version = lake.version("events")
        if version <= self._read_until:
            return
        since = None if self._read_until < 0 else self._read_until
        columns = ["event_type", "entity_id", "occurred_at", "properties_json"]
        for batch in lake.batches("events", columns=columns, since=since, until=version):
            made = batch.filter(pc.equal(batch.column("event_type"), "prediction.made"))
            for row in made.to_pylist():
                said = orjson.loads(row["properties_json"])
                if said["model"] != "lead_scoring" or not said["versions"]:
                    continue
                key = (row["entity_id"], min(int(said["answer"]["score"]) // BANDS, 9))
                known = self._given.get(key)
                self._given[key] = min(known or row["occurred_at"], row["occurred_at"])
        self._read_until = version

    def _judged(self) -> list[dict[str, Any]]:
        leads = self.lake().read(
            "leads", columns=["lead_id", "outcome", "ended_at", "created_known_at"]
        )
        known_until = pc.max(leads["created_known_at"]).as_py() if leads.num_rows else None
        ends = {row["lead_id"]: row for row in leads.to_pylist()} if self._given else {}
        counts = [[0, 0] for _ in range(BANDS)]
        for (lead, band), at in self._given.items():
            end = ends.get(lead)
            if end is None or known_until is None or at + HORIZON > known_until:
                continue
            counts[band][0] += 1
            closed = end["outcome"] == "closed" and end["ended_at"] <= at + HORIZON
            counts[band][1] += closed
        return [_told(band, *counts[band]) for band in reversed(range(BANDS))]


def _told(band: int, n: int, closed: int) -> dict[str, Any]:
    low, high = share_interval(100 * closed / n, n) if n else (None, None)
    return {
        "from": 10 * band,
        "to": 10 * band + (10 if band == BANDS - 1 else 9),
        "n": n,
        "closed": closed,
        "closedPercent": 100 * closed / n if n else None,
        "low": low,
        "high": high,
    }
