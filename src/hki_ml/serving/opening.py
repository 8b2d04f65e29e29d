"""Putting the gateway together from the sockets it needs."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from hki_ml.errors import HkiError
from hki_ml.ports import FeatureStore, Lake, ModelRegistry
from hki_ml.serving.gateway import Gateway, Observe
from hki_ml.serving.homes import HomeFacts, HomeIndex
from hki_ml.serving.lookups import Describe, Homes, Models
from hki_ml.serving.model import Question
from hki_ml.serving.openapi import document
from hki_ml.serving.page import docs_page, valuation_page
from hki_ml.serving.valuations import Reply
from hki_ml.serving.value_property import ValueProperty, new_prediction_id, utc_now
from hki_ml.settings import ServingSettings


class Stores(Protocol):
    """The sockets that serving uses; ``wiring.Backend`` has them."""

    @property
    def lake(self) -> Lake:
        """Where the search finds homes."""
        ...

    @property
    def features(self) -> FeatureStore:
        """Where facts are read by id."""
        ...

    @property
    def registry(self) -> ModelRegistry:
        """Where versions and their figures stand."""
        ...


def open_gateway(
    stores: Callable[[], Stores],
    *,
    ask: Callable[[Question], Awaitable[Reply]],
    describe: Describe,
    settings: ServingSettings,
    observe: Observe,
    clock: Callable[[], datetime] = utc_now,
    new_id: Callable[[datetime], str] = new_prediction_id,
) -> Gateway:
    """Return the gateway; the stores are reached at the first use."""
    valuing = ValueProperty(ask, HomeFacts(lambda: stores().features), clock, new_id)
    return Gateway(
        valuing,
        Homes(HomeIndex(lambda: stores().lake), valuing),
        Models(lambda: stores().registry, describe),
        body_max_bytes=settings.body_max_bytes,
        observe=observe,
    )


def warm(gateway: Gateway) -> None:
    """Reach the stores and make the pages once, so that no caller waits for it; silence is no failure."""
    valuation_page()
    docs_page(document())
    with contextlib.suppress(HkiError, OSError):
        found, _ = gateway.homes.index.search("", 1)
        for home in found:
            gateway.valuing.homes.read(home["property_id"], gateway.valuing.clock())
