"""A world's events: block by block for the bus, or as one table in memory."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from hki_ml.simulation import wire
from hki_ml.simulation.deal_events import market_side
from hki_ml.simulation.deals import deals, in_order
from hki_ml.simulation.homes import Homes
from hki_ml.simulation.investors import investors
from hki_ml.simulation.lead_events import Block, block, lead_events
from hki_ml.simulation.leads import DAY_US
from hki_ml.simulation.world import World, microseconds

LEADS_A_BLOCK = 20_000  # some 320,000 events: a hundred megabytes


def blocks(world: World, homes: Homes) -> Iterator[Block]:
    """Yield what happens to the world's leads, some days at a time, by the day they came."""
    first = microseconds(world.starts_at) // DAY_US
    last = microseconds(world.ends_at) // DAY_US
    days = max(1, int(LEADS_A_BLOCK / world.leads_per_day))
    for day in range(first, last + 1, days):
        yield block(world, homes, first_day=day, last_day=min(day + days - 1, last))


def event_frames(world: World, homes: Homes) -> Iterator[pl.DataFrame]:
    """Yield the events in frames of ``wire.FRAME``: leads by the days they came, then investors."""
    who = investors(world, homes)
    until = microseconds(world.ends_at)
    shown = []
    for what in blocks(world, homes):
        shown.append(deals(what, homes, who.areas, until_us=until))
        yield lead_events(world, homes, what)
    yield from market_side(world, homes, who, in_order(shown))


def events_table(world: World, homes: Homes) -> pa.Table:
    """Return every event received by the world's end under ``tables.EVENTS``, in order of receipt."""
    rows = pl.concat(list(event_frames(world, homes)))
    rows = rows.sort("received_at", "entity_id", "event_id")
    return wire.as_table(rows, ingested_at=world.ends_at)
