"""Lake tables to feature tables to the online store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hki_ml.transforms.market import market_trend
from hki_ml.wiring import Backend


@dataclass(frozen=True, slots=True)
class Materialized:
    """What a run of ``materialize`` did: rows of features that reached the online store."""

    until: datetime
    rows: int


def materialize(backend: Backend, *, until: datetime) -> Materialized:
    """Bring the feature tables and the online store up to ``until``.

    A second time with nothing new in the lake writes nothing.
    """
    sales = backend.lake.read("sales")
    backend.lake.replace("market_trend", market_trend(sales, until=until))
    backend.features.apply()
    return Materialized(until, backend.features.materialize(until))
