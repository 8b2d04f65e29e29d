"""The sockets between the platform and the world: bus, lake, feature store, model registry, runs of flows.

Each is a Protocol that says what must hold, and nothing of how. ``wiring.connect`` fills them;
``pipeline`` and ``serving`` know only this page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Batch:
    """A run of records of one partition without a gap: ``records[i]`` has offset ``start + i``.

    ``end`` is the offset to read from next.
    """

    partition: int
    start: int
    end: int
    records: Sequence[bytes]


class EventBus(Protocol):
    """Carries events, in order for each entity, and forgets none that it accepted."""

    def publish(self, events: Iterable[tuple[str, bytes]]) -> int:
        """Return how many (entity id, event) pairs are now durable: all of them, or it raises.

        Raises
        ------
        Unavailable
            If the events could not be made durable.
        """
        ...

    def partitions(self) -> Sequence[int]:
        """Return the numbers of the partitions."""
        ...

    def read(self, offsets: Mapping[int, int], *, max_records: int) -> Iterator[Batch]:
        """Yield what stands at or after the offsets (none: the beginning), up to the present end."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """What of an ordered input a commit holds: offsets from ``start`` up to, without, ``end``."""

    start: int
    end: int


class Lake(Protocol):
    """Tables of events and of what is derived from them; a commit is seen whole or not at all."""

    def append(self, table: str, rows: pa.Table, *, spans: Mapping[str, Span] | None = None) -> int:
        """Append rows, once for the given spans, and return the table's version.

        ``spans`` (application id → what of its input these rows come from) are stored in the same
        commit.

        Raises
        ------
        Conflict
            If a stored offset is not where its span begins: another writer was there meanwhile.
        """
        ...

    def replace(self, table: str, rows: pa.Table) -> int:
        """Replace the table's content in one commit and return its version; nothing if equal."""
        ...

    def replace_parts(self, table: str, parts: Iterable[pa.Table], *, count: int) -> int:
        """Replace the table's content by ``count`` rows in parts, one or more, as ``replace`` does."""
        ...

    def read(
        self,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        where: tuple[str, str] | None = None,
    ) -> pa.Table:
        """Return the table, or an empty one under its schema if nothing was ever written.

        ``where`` (column, text) leaves the rows that have that text in that column.
        """
        ...

    def batches(
        self,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the table in batches, or only what was appended after version ``since`` up to ``until``."""
        ...

    def forget(self, table: str, column: str, *, before: datetime) -> int:
        """Delete the rows whose time lies before a moment, for good, and return how many.

        Older versions of the table can be read for another week; after that their files are gone.
        """
        ...

    def offset(self, table: str, application: str) -> int | None:
        """Return the offset stored with the last commit of that application, if any."""
        ...

    def version(self, table: str) -> int:
        """Return the table's version, -1 if it was never written."""
        ...

    def location(self, table: str) -> str:
        """Return the address under which Feast and DuckDB find the table."""
        ...


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """The features of one entity now.

    ``missing`` are features never written for it; ``seen_at`` is when the oldest of the views was
    written, ``None`` if no view knows the entity.
    """

    values: Mapping[str, object]
    missing: tuple[str, ...]
    seen_at: datetime | None


class FeatureStore(Protocol):
    """Features under one definition, for training as of the past and online as of now."""

    def apply(self) -> None:
        """Register the repository's entities, views and services; a second time changes nothing."""
        ...

    def materialize(self, until: datetime) -> int:
        """Bring the online store up to ``until`` and return how many rows were written."""
        ...

    def training_frame(self, service: str, spine: pd.DataFrame) -> pd.DataFrame:
        """Return the spine's rows, in order, with each feature as it was known at ``event_timestamp``."""
        ...

    def online(self, service: str, entity_ids: Sequence[str]) -> list[OnlineRow]:
        """Return the present features of each entity, in order; unknown ones with all missing."""
        ...


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A registered version of a model, where its files are, and what was measured when it was made."""

    model: str
    version: str
    location: str
    figures: Mapping[str, float]
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    registered_at: datetime | None = None


class ModelRegistry(Protocol):
    """Runs, versions and aliases; what serves is what ``champion`` points to."""

    def register(
        self,
        model: str,
        folder: Path,
        *,
        figures: Mapping[str, float],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> ModelVersion:
        """Record a run with the folder's files and register it as a new version."""
        ...

    def point(self, model: str, alias: str, version: str) -> None:
        """Let the alias stand for the version."""
        ...

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        """Return the version an alias stands for, if any."""
        ...

    def version(self, model: str, version: str) -> ModelVersion:
        """Return one version of a model.

        Raises
        ------
        NotFound
            If there is no such version.
        """
        ...

    def versions(self, model: str) -> list[ModelVersion]:
        """Return the versions of a model, newest first."""
        ...

    def download(self, version: ModelVersion, into: Path) -> Path:
        """Return a folder with the version's files."""
        ...

    def file(self, version: ModelVersion, name: str) -> bytes:
        """Return one of the version's files.

        Raises
        ------
        NotFound
            If the version has no such file.
        """
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a flow, as its orchestrator knows it.

    Attributes
    ----------
    deployment
        ``flow/name`` of what it was made from; empty for a run by hand.
    state
        ``SCHEDULED``, ``PENDING``, ``RUNNING``, ``CANCELLING``, ``COMPLETED``, ``FAILED``, ``CRASHED``,
        ``CANCELLED`` or ``PAUSED``.
    since
        When it came into that state.
    due_at
        When it was to start.
    tries
        How often it was begun.
    """

    id: str
    name: str
    deployment: str
    parameters: Mapping[str, Any]
    state: str
    state_name: str
    message: str
    since: datetime
    due_at: datetime | None
    tries: int


class Orchestrator(Protocol):
    """Runs flows on schedule and on events; what it says of them may be late, and events may be lost."""

    def runs(self, states: Sequence[str], *, since: datetime) -> list[Run]:
        """Return the runs that are in these states and were to start since, oldest first."""
        ...

    def start(
        self, deployment: str, parameters: Mapping[str, Any], *, key: str
    ) -> tuple[str, bool]:
        """Return the id of a run of ``flow/name`` and whether it is new: one key, one run.

        Raises
        ------
        NotFound
            If there is no such deployment.
        """
        ...

    def set_state(self, run: Run, state: str, name: str, message: str) -> None:
        """Put a run into a state by force, e.g. ``CRASHED``, or ``SCHEDULED`` to run once more now."""
        ...

    def last_sign(self, run: Run) -> datetime | None:
        """Return when a run last said that it lives, if it ever did."""
        ...

    def latest(self) -> dict[str, Run | None]:
        """Return of each deployment by ``flow/name`` its latest run that came to an end, good or bad."""
        ...

    def scheduled(self, *, now: datetime) -> dict[str, int]:
        """Return of each deployment that has an active schedule how many runs lie ahead of it."""
        ...
