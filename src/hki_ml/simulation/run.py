"""A world into the lake, by the door that everybody's events come in by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from hki_ml.pipeline.ingest import Ingested, ingest
from hki_ml.pipeline.known_ids import stored_ids
from hki_ml.pipeline.track import Tracker
from hki_ml.ports import Lake
from hki_ml.simulation import wire
from hki_ml.simulation.homes import COLUMNS, Homes
from hki_ml.simulation.market import event_frames
from hki_ml.simulation.world import World
from hki_ml.wiring import Backend


@dataclass(frozen=True, slots=True)
class Simulated:
    """What a run did: events that the world has, that were new to the bus, and what the ingest did."""

    events: int
    published: int
    ingested: Ingested


def homes_in(lake: Lake) -> Homes:
    """Return the homes that the lake's table of sales knows, sold at arm's length."""
    sales = lake.read("sales", columns=[*COLUMNS, "is_arms_length"])
    rows = pl.DataFrame(pl.from_arrow(sales))
    return Homes.of(rows.filter(pl.col("is_arms_length").fill_null(value=True)))


def simulate(
    backend: Backend,
    world: World,
    homes: Homes,
    *,
    now: datetime,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Simulated:
    """Publish the world's events and ingest them; what the lake has already does not travel again.

    Parameters
    ----------
    now
        The present, aware: when the events come to the lake.
    on_progress
        Called with the events done since the call before.
    """
    lake = backend.lake
    known = stored_ids(lake, "events", "event_id", until=lake.version("events"))
    tracker = Tracker(backend.bus, now)
    events = published = 0
    for rows in event_frames(world, homes):
        published += tracker.track_frame(wire.on_the_wire(rows), known=known).height
        events += rows.height
        on_progress(rows.height)
    return Simulated(events, published, ingest(backend.bus, lake, ingested_at=now))
