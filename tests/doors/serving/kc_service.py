"""The real services over the test's stores and model, for ``bentoml serve kc_service:HKI``."""

from __future__ import annotations

from pathlib import Path

import bentoml
from comparables_model import load as load_comparables
from kc_stores import Stores

from bentos.embedding import CONNECTION, Door, Runner
from bentos.service import GATEWAY, GatewayService
from bentos.valuation import ValuationRunner


class KingCountyRunner(ValuationRunner):
    @staticmethod
    def registry(settings):
        stores = Stores(settings.home)
        return lambda: stores.registry

    @staticmethod
    def load(folder: Path, version: str):
        return load_comparables(folder, version)


Valuation = bentoml.service(name="valuation", service_class=Runner, workers=1, **CONNECTION)(
    KingCountyRunner
)


class KingCountyGateway(GatewayService):
    valuation = bentoml.depends(Valuation)

    @staticmethod
    def connect(settings):
        stores = Stores(settings.home)
        return lambda: stores


HKI = bentoml.service(name="hki_ml", service_class=Door, **GATEWAY)(KingCountyGateway)


class RoomRunner(KingCountyRunner):
    load = staticmethod(ValuationRunner.load)


Room = bentoml.service(name="valuation", service_class=Runner, workers=1, **CONNECTION)(RoomRunner)


class RoomGateway(KingCountyGateway):
    valuation = bentoml.depends(Room)


ROOM = bentoml.service(name="hki_ml", service_class=Door, **GATEWAY)(RoomGateway)


class StockGateway(KingCountyGateway):
    """The same handler on BentoML's own path, for comparison: no front door."""


class Embedded(bentoml.Service):
    def all_services(self, *_, **__):
        return {self.name: self}


STOCK = bentoml.service(name="stock", **GATEWAY)(type("Stock", (StockGateway,), {}))
PLAIN = {"workers": 1, "http": GATEWAY["http"]}
INLINE = bentoml.service(name="inline", service_class=Embedded, **PLAIN)(
    type("Inline", (StockGateway,), {})
)
