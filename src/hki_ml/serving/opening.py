"""Putting the gateway together from the sockets it needs."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hki_ml.decisions.calls import CallTerms
from hki_ml.errors import HkiError
from hki_ml.events import AnyEvent, encode
from hki_ml.ports import FeatureStore, Lake, ModelRegistry, Orchestrator
from hki_ml.serving.call_list import Calls
from hki_ml.serving.cards import Cards
from hki_ml.serving.deals import MATCHING, RISK, DealDesk
from hki_ml.serving.entities import OnlineEntities
from hki_ml.serving.event_door import EventDoor
from hki_ml.serving.gateway import Gateway, Observe
from hki_ml.serving.health import Health
from hki_ml.serving.health_runs import LastRuns
from hki_ml.serving.homes import HomeFacts, HomeIndex
from hki_ml.serving.investor_pages import Investors
from hki_ml.serving.investors import Departures
from hki_ml.serving.jobs import Jobs
from hki_ml.serving.lately import recall
from hki_ml.serving.lead_board import LeadBoard, Scorer
from hki_ml.serving.lead_history import LeadHistory
from hki_ml.serving.lead_ids import LeadIds
from hki_ml.serving.lead_pages import Leads
from hki_ml.serving.leads import LeadDesk
from hki_ml.serving.live_leads import FRESH_SECONDS, SERVICE, LiveLeads, state_of
from hki_ml.serving.lookups import Describe, Homes, Models
from hki_ml.serving.openapi import document
from hki_ml.serving.page import (
    deals_page,
    docs_page,
    health_page,
    jobs_page,
    leads_page,
    valuation_page,
)
from hki_ml.serving.portfolio import PortfolioDesk
from hki_ml.serving.prediction_log import PredictionLog
from hki_ml.serving.predictions import Predictions
from hki_ml.serving.replies import Reply
from hki_ml.serving.track_record import TrackRecord
from hki_ml.serving.value_property import ValueProperty, new_prediction_id, utc_now
from hki_ml.settings import Settings

VALUATION = "valuation"


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

    @property
    def runs(self) -> Orchestrator | None:
        """Who runs the flows, if anybody does."""
        ...


@dataclass(frozen=True, slots=True)
class Rooms:
    """How the models are asked and how they describe what serves, each by its name.

    ``scorer`` gives the lead scorer itself, which a list needs; ``None`` while there is none. With a
    lead's id it gives the version that answers that lead.
    """

    asks: Mapping[str, Callable[[Any], Awaitable[Reply]]]
    describes: Mapping[str, Describe]
    scorer: Callable[..., Scorer | None]


@dataclass(frozen=True, slots=True)
class WayIn:
    """How events become durable, and how the lake is brought up to them."""

    publish: Callable[[list[tuple[str, bytes]]], int]
    catch_up: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Clock:
    """The time, and the id of an answer given then."""

    now: Callable[[], datetime] = utc_now
    new_id: Callable[[datetime], str] = new_prediction_id


def open_gateway(
    stores: Callable[[], Stores],
    rooms: Rooms,
    way_in: WayIn,
    *,
    settings: Settings,
    observe: Observe,
    jobs: Jobs,
    clock: Clock | None = None,
) -> Gateway:
    """Return the gateway; the stores are reached at the first use."""
    time = clock or Clock()
    log = PredictionLog(way_in.publish)
    valuing = ValueProperty(
        rooms.asks[VALUATION], HomeFacts(lambda: stores().features), time.now, time.new_id, log
    )
    stored = OnlineEntities(
        lambda: stores().features, SERVICE, state_of, fresh_seconds=FRESH_SECONDS
    )
    leads = LiveLeads(stored)
    departures = Departures()
    desk = LeadDesk(rooms.asks, leads, log, time.now, time.new_id)

    def lake() -> Lake:
        return stores().lake

    board = LeadBoard(lake, leads, rooms.scorer)
    deals = DealDesk(desk, valuing, rooms.asks[MATCHING], rooms.asks[RISK], departures.gone)
    return Gateway(
        valuing,
        Homes(HomeIndex(lambda: stores().lake), valuing),
        Models(lambda: stores().registry, rooms.describes),
        desk,
        Leads(
            desk,
            board,
            LeadHistory(lake, rooms.scorer),
            TrackRecord(lake),
            rooms.scorer,
        ),
        EventDoor(
            lambda events: _publish(way_in, events),
            leads,
            LeadIds(lake, way_in.catch_up),
            time.now,
            departures.take,
        ),
        Predictions(log, lake, way_in.catch_up),
        Cards(lambda: stores().registry, rooms.describes),
        deals,
        Investors(deals, board),
        PortfolioDesk(deals, board),
        jobs,
        Calls(board, rooms.scorer, time.now, CallTerms(**settings.money.model_dump())),
        Health(lake, lambda: stores().registry, time.now, LastRuns(lambda: stores().runs)),
        body_max_bytes=settings.serving.body_max_bytes,
        observe=observe,
    )


def _publish(way_in: WayIn, events: list[AnyEvent]) -> None:
    way_in.publish([(event.entity_id, encode(event)) for event in events])


def warm(gateway: Gateway) -> None:
    """Reach the stores and make the pages once, so that no caller waits for it; silence is no failure.

    Events that were accepted before the start, and that no state of leads holds yet, count again.
    """
    with contextlib.suppress(HkiError, OSError):
        gateway.predictions.catch_up()
    with contextlib.suppress(HkiError, OSError):
        recall(gateway.predictions.lake(), gateway.desk.leads, gateway.events.hear)
    valuation_page()
    leads_page()
    deals_page()
    jobs_page()
    health_page()
    docs_page(document())
    with contextlib.suppress(HkiError, OSError):
        found, _ = gateway.homes.index.search("", 1)
        for home in found:
            gateway.valuing.homes.read(home["property_id"], gateway.valuing.clock())
