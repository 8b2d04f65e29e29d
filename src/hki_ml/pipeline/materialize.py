"""Lake tables to feature tables to the online store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hki_ml.pipeline.tabulate import tabulate_property_facts
from hki_ml.transforms.market import market_trend
from hki_ml.wiring import Backend


@dataclass(frozen=True, slots=True)
class Materialized:
    """What a run of ``materialize`` did: facts of homes and moments there are, rows new online."""

    until: datetime
    facts: int
    rows: int


def materialize(backend: Backend, *, until: datetime) -> Materialized:
    """Bring the feature tables and the online store up to ``until``.

    A second time with nothing new in the lake writes nothing.
    """
    facts = tabulate_property_facts(backend.lake)
    sales = backend.lake.read("sales")
    backend.lake.replace("market_trend", market_trend(sales, until=until))
    backend.features.apply()
    return Materialized(until, facts, backend.features.materialize(until))
