"""Fill the sockets from the settings: the only file that knows all adapters."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hki_ml.ports import EventBus, FeatureStore, Lake, ModelRegistry, Orchestrator
from hki_ml.settings import Settings


@dataclass(frozen=True, slots=True)
class Backend:
    """The four sockets, filled."""

    settings: Settings
    bus: EventBus
    lake: Lake
    features: FeatureStore
    registry: ModelRegistry

    @property
    def runs(self) -> Orchestrator | None:
        """Runs of flows, where this process is told of a Prefect server."""
        url = os.environ.get("PREFECT_API_URL")
        return connect_runs(url) if url else None


def connect(settings: Settings) -> Backend:
    """Return the platform's backend: embedded engines, or the servers that the settings name."""
    from hki_ml.adapters.features_feast import FeastStore
    from hki_ml.adapters.lake import open_lake
    from hki_ml.adapters.registry_mlflow import MlflowRegistry

    lake = open_lake(settings.lake, settings.lake_path)
    return Backend(
        settings=settings,
        bus=connect_bus(settings),
        lake=lake,
        features=FeastStore(settings, lake),
        registry=MlflowRegistry(settings),
    )


def connect_bus(settings: Settings) -> EventBus:
    """Return Kafka where the settings name it, else the log on disk."""
    if settings.bus.kafka_bootstrap is not None:
        from hki_ml.adapters.bus_kafka import KafkaBus

        return KafkaBus(settings.bus.kafka_bootstrap, settings.bus.topic)
    from hki_ml.adapters.bus_local import LocalBus

    return LocalBus(settings.bus_path / settings.bus.topic)


def connect_runs(url: str) -> Orchestrator:
    """Return what is known of runs of flows by the Prefect API at a URL.

    The URL is Prefect's own ``PREFECT_API_URL``, which its workers hand to every run; so is
    ``PREFECT_API_AUTH_STRING``.
    """
    from hki_ml.adapters.runs_prefect import PrefectRuns

    return PrefectRuns(url, auth=os.environ.get("PREFECT_API_AUTH_STRING"))
