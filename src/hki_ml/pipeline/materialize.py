"""Lake tables to feature tables to the online store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hki_ml.pipeline.appraise import appraise
from hki_ml.pipeline.ingest import ingest
from hki_ml.pipeline.investors import tabulate_investors
from hki_ml.pipeline.tabulate import (
    tabulate_lead_state,
    tabulate_leads,
    tabulate_liens,
    tabulate_property_facts,
)
from hki_ml.transforms.market import market_trend
from hki_ml.wiring import Backend


@dataclass(frozen=True, slots=True)
class Materialized:
    """What a run of ``materialize`` did.

    ``facts``, ``lead_states`` and ``investor_states`` are homes, leads and investors at moments that there
    are, ``valued`` homes of leads that were valued in this run, ``rows`` what was new to the online
    store.
    """

    until: datetime
    facts: int
    lead_states: int
    valued: int
    rows: int
    investor_states: int = 0


def materialize(backend: Backend, *, until: datetime) -> Materialized:
    """Bring the lake, the feature tables and the online store up to ``until``.

    A second time with nothing new in the lake writes nothing.
    """
    # What the bus has goes first: a service that answers from it lets go of what this has seen.
    ingest(backend.bus, backend.lake, ingested_at=until)
    until = until.replace(microsecond=0)  # as precise as the online stores keep it
    facts = tabulate_property_facts(backend.lake)
    sales = backend.lake.read("sales")
    backend.lake.replace("market_trend", market_trend(sales, until=until))
    tabulate_leads(backend.lake)
    tabulate_liens(backend.lake)
    valued = appraise(backend)
    states = tabulate_lead_state(backend.lake, until=until)
    investors = tabulate_investors(backend.lake, until=until)
    backend.features.apply()
    rows = backend.features.materialize(until)
    return Materialized(until, facts, states, valued, rows, investors)
