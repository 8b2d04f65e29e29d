"""From events to the tables of deals, offers and investors, each a function of the lake as it is."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from hki_ml import tables
from hki_ml.ports import Lake
from hki_ml.transforms.deals import INVESTOR_KINDS, KINDS, deal_offers, deals
from hki_ml.transforms.investor_state import (
    Shown,
    investor_moments,
    investor_state,
    known_investors,
)

_NEEDED = ("event_id", "event_type", "entity_id", "occurred_at", "received_at", "properties_json")


def tabulate_investors(lake: Lake, *, until: datetime) -> int:
    """Bring deals, their offers and the state of investors up to ``until``; return the state's rows.

    How an offer ended depends on all its events, so the tables are made anew. There is a row of state
    at each change of what an investor said, and one at ``until``, to answer from.
    """
    version = lake.version("events")
    if version < 0:
        return 0
    wanted = pa.array([*KINDS, *INVESTOR_KINDS])
    batches = lake.batches("events", columns=_NEEDED, until=version)
    kept = [batch.filter(pc.is_in(batch.column("event_type"), wanted)) for batch in batches]
    events = pa.Table.from_batches([batch for batch in kept if batch.num_rows], _schema())
    if not events.num_rows:
        return 0
    around = (lake.read(name) for name in ("leads", "property_facts", "property_value"))
    known = deals(events, *around)
    offers = deal_offers(events)
    lake.replace("deals", known)
    lake.replace("deal_offers", offers)
    who = known_investors(events)
    moments = investor_moments(who, until_us=int(until.timestamp()) * 1_000_000)
    state = investor_state(moments, who, Shown.of(offers, known), known)
    lake.replace("investor_state", state)
    return int(state.num_rows)


def _schema() -> pa.Schema:
    return pa.schema([tables.EVENTS.field(name) for name in _NEEDED])
