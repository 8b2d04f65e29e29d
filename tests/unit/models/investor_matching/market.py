"""A small simulated market as the spine with what was known of each investor."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import pandas as pd
import pyarrow as pa

from hki_ml.models.investor_matching import room
from hki_ml.models.investor_matching.train import Matcher, train
from hki_ml.simulation.market import events_table
from hki_ml.tables import PROPERTY_FACTS, PROPERTY_VALUE
from hki_ml.transforms.deals import deal_offers, deals
from hki_ml.transforms.investor_state import (
    Shown,
    investor_moments,
    investor_state,
    known_investors,
)
from hki_ml.transforms.leads import leads
from tests.unit.simulation.town import END, sales, town, world

NOW = datetime(2016, 12, 28, tzinfo=UTC)


@cache
def tables(count: int = 3_000) -> dict[str, pa.Table]:
    """Return the tables of a world: deals, offers, and the state of investors at its end."""
    events = events_table(world(count), town())
    known = deals(events, leads(events), homes(), PROPERTY_VALUE.empty_table())
    offers = deal_offers(events)
    who = known_investors(events)
    moments = investor_moments(who, until_us=int(END.timestamp() * 1e6))
    state = investor_state(moments, who, Shown.of(offers, known), known)
    return {"deals": known, "deal_offers": offers, "investor_state": state}


def homes() -> pa.Table:
    rows = sales().sort("sold_at").unique("property_id", keep="first")
    at = rows["sold_at"].to_arrow()
    columns = {
        field.name: rows[field.name].to_arrow()
        if field.name in rows.columns
        else pa.nulls(rows.height, field.type)
        for field in PROPERTY_FACTS
    }
    return pa.table(columns | {"event_timestamp": at, "created": at}).cast(PROPERTY_FACTS)


@cache
def frame(count: int = 3_000) -> pd.DataFrame:
    """Return the spine with the state of each investor as of each row."""
    rows = room.spine(tables(count)).sort_values("event_timestamp", kind="stable")
    state = tables(count)["investor_state"].to_pandas().drop(columns="created")
    state = state.sort_values("event_timestamp", kind="stable")
    return pd.merge_asof(rows, state, on="event_timestamp", by="investor_id")


@cache
def matcher() -> Matcher:
    return train(frame(), as_of=pd.Timestamp(NOW))
