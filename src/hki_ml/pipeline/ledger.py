"""The ledger of what serves: every decision about a champion, in order, once; the alias follows it.

The row is written first, under a lock that the lake keeps (one number a decision of a model): of two who
decide at once, one writes and the other is told that it came too late. The alias is pointed after; who
comes next finishes what a crash left between the two.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa

from hki_ml.alerts import alert, send
from hki_ml.errors import Conflict, NotFound
from hki_ml.ledger import FOUND, MOVES, ROLLED_BACK, TABLE, Entry, before, entries
from hki_ml.pipeline.train import CHAMPION, code_version
from hki_ml.ports import ModelVersion, Span
from hki_ml.tables import LEDGER
from hki_ml.wiring import Backend


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be written down; ``name`` is one of those of ``hki_ml.ledger``."""

    name: str
    version: ModelVersion
    replaced: str | None
    reasons: Sequence[str] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)


def record(backend: Backend, decision: Decision, *, at: datetime, after: Sequence[Entry]) -> Entry:
    """Write a decision that was taken in sight of the entries ``after``, and point the alias if it moves.

    Raises
    ------
    Conflict
        If another decision about the model was written since those were read.
    """
    version = decision.version
    number = after[-1].number + 1 if after else 1
    entry = Entry(
        number, version.model, decision.name, version.version, decision.replaced, at, _who(),
        tuple(decision.reasons), dict(decision.evidence),
        version.tags.get("code", code_version()), version.tags.get("as_of"),
    )  # fmt: skip
    key = f"{TABLE}/{version.model}"
    try:
        backend.lake.append(TABLE, _row(entry), spans={key: Span(number - 1, number)})
    except Conflict as error:
        raise Conflict(
            f"expected to write decision {number} about {version.model}, but another one was "
            f"written meanwhile: look at it first (hki ledger {version.model})"
        ) from error
    if decision.name in MOVES and decision.name != FOUND:
        backend.registry.point(version.model, CHAMPION, version.version)
    return entry


def settle(backend: Backend, model: str, *, at: datetime) -> list[Entry]:
    """Make alias and ledger agree and return the ledger.

    An alias that still stands on what the last move replaced was left there by a crash: it is pointed
    on. One that stands anywhere else was moved by somebody: that is written down as ``found``.
    """
    known = entries(backend.lake, model)
    champion = backend.registry.resolve(model, CHAMPION)
    moves = [each for each in known if each.decision in MOVES]
    last = moves[-1] if moves else None
    if last is not None and (champion is None or champion.version == last.replaced):
        backend.registry.point(model, CHAMPION, last.version)
    elif champion is not None and (last is None or champion.version != last.version):
        before = None if last is None else last.version
        found = Decision(FOUND, champion, before, ("the alias was set outside of the ledger",))
        known.append(record(backend, found, at=at, after=known))
    return known


def roll_back(
    backend: Backend, model: str, *, at: datetime, because: str, to: str | None = None
) -> Entry:
    """Let the version serve again that served before the present champion, or the one named.

    It is told as well (``rolled-back``): what answers is older than what was promoted last.

    Raises
    ------
    NotFound
        If there is no champion, or none served before it.
    Conflict
        If another decision about the model was written meanwhile.
    """
    known = settle(backend, model, at=at)
    champion = backend.registry.resolve(model, CHAMPION)
    if champion is None:
        raise NotFound(f"expected a champion of {model} to take back, got none")
    version = to if to is not None else before(known, champion.version)
    if version is None:
        raise NotFound(
            f"expected a version of {model} that served before {champion.version}, got none: name "
            "one with --to"
        )
    if version == champion.version:
        raise Conflict(f"version {version} of {model} serves already")
    back = backend.registry.version(model, version)
    taken = Decision(ROLLED_BACK, back, champion.version, (because,))
    entry = record(backend, taken, at=at, after=known)
    summary = f"{model}: version {version} serves again instead of {champion.version}: {because}"
    send(backend.settings, alert("rolled-back", f"{model}/{entry.number}", summary), now=at)
    return entry


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def _row(entry: Entry) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "number": entry.number, "model": entry.model, "decision": entry.decision,
                "version": entry.version, "replaced": entry.replaced, "at": entry.at,
                "by": entry.by, "reasons_json": json.dumps(entry.reasons),
                "evidence_json": json.dumps(entry.evidence, sort_keys=True), "code": entry.code,
                "data_as_of": entry.data_as_of,
            }
        ],
        schema=LEDGER,
    )  # fmt: skip
