"""What a model must be able to do so that a file can be answered by it, and what is said of a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from hki_ml.ports import Lake

ROW, ENTITY, FACTS, SEEN, LIVE = "row_number", "entity_id", "facts_json", "seen_at", "live_events"
"""What stands beside a row's state: its number, whom it is about, facts from the file itself, when the
state was made, and which events came on top."""

REASONS: dict[str, str] = {
    "row_malformed": "the row does not split into the columns of the header",
    "id_missing": "no id stands in the row",
    "id_invalid": "the id is longer than 200 characters or holds control characters",
    "id_duplicate": "the id stood in an earlier row already",
    "id_unknown": "nobody of that id is known",
    "fact_invalid": "a fact is no number, or lies out of its range",
    "not_answered": "the model could not answer",
}
"""Reason → what it means."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of whom, at one moment: the newest state of each, and what happened since.

    Attributes
    ----------
    schema, batches
        Columns with the id first, and the rows in any order, an id at most once; ``seen_at`` is when
        each was made.
    newer
        Id → the state as it is now and which events came on top, for those that have moved since.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    newer: Mapping[str, tuple[Mapping[str, Any], tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Pinned:
    """The lake with the versions of tables, and the moment, that hold for a whole job."""

    lake: Lake
    versions: Mapping[str, Any]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that gets no answer: its place in the chunk, a reason of ``REASONS``, one sentence."""

    at: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Scored:
    """What was said of a chunk: ``table`` has the rows of ``kept``, places in the chunk, in order."""

    kept: Sequence[int]
    table: pa.Table
    refused: tuple[Refused, ...] = ()


class Scorer(Protocol):
    """A model, loaded, at a moment."""

    versions: Mapping[str, str]

    def score(self, chunk: pa.Table, as_of: datetime) -> Scored:
        """Return what is said of each row; ``chunk`` has ``row_number``, ``entity_id`` and the state."""
        ...


class Bulk(Protocol):
    """How files are answered for one model.

    Attributes
    ----------
    rooms
        The models that it needs, its own among them.
    keys
        Names of the column that holds the id.
    takes_facts
        Whether a file without ids may state facts instead.
    also
        What the answers may hold beyond the usual.
    """

    @property
    def model(self) -> str: ...  # noqa: D102 - told above
    @property
    def rooms(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def keys(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def takes_facts(self) -> bool: ...  # noqa: D102
    @property
    def also(self) -> tuple[str, ...]: ...  # noqa: D102

    def pin(self, lake: Lake) -> dict[str, Any]:
        """Return which versions of which tables hold for the whole job."""
        ...

    def known(self, lake: Lake, pinned: Mapping[str, Any], as_of: datetime, /) -> Known:
        """Return what is known at the pinned versions."""
        ...

    def facts(self, row: Mapping[str, Any], /) -> dict[str, Any]:
        """Return the facts that a row of the file states itself.

        Raises
        ------
        BadInput
            If one of them cannot be.
        """
        ...

    def open(
        self, folders: Mapping[str, tuple[Path, str]], also: Sequence[str], pinned: Pinned, /
    ) -> Scorer:
        """Return the scorer: room → (folder of its files, version); what else it needs is pinned."""
        ...
