"""What was decided about each model's champion, and the experiment that runs: read from the ledger.

Written in ``hki_ml.pipeline.ledger``; serving reads it here, because who answers a lead hangs on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hki_ml.ports import Lake

TABLE = "ledger"
PROMOTED, REFUSED, ROLLED_BACK, FOUND = "promoted", "refused", "rolled back", "found"
STAGED, ENDED = "experiment", "experiment ended"
MOVES: tuple[str, ...] = (PROMOTED, ROLLED_BACK, FOUND)
"""Decisions after which another version serves; ``found``: somebody had moved the alias by hand."""
FAULTS = "faults"
"""In the evidence of a refusal: what is wrong with the version, whatever it was compared with."""
CHAMPION_ARM, CHALLENGER_ARM = "champion", "challenger"


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision: what was decided about ``version`` and what it replaced, by whom, when and why."""

    number: int
    model: str
    decision: str
    version: str
    replaced: str | None
    at: datetime
    by: str
    reasons: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    data_as_of: str | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Two versions that answer side by side: ``share`` of all entities get the challenger's answers.

    Who gets which is a hash of the entity under ``salt``, the same at every stage: who had the
    challenger keeps it when the share grows.
    """

    name: str
    model: str
    champion: str
    challenger: str
    share: float
    since: datetime
    started: datetime

    def arm(self, entity: str) -> str:
        """Return which arm an entity is in.

        Examples
        --------
        >>> at = datetime(2026, 1, 1)
        >>> Experiment("e", "m", "1", "2", 0.0, at, at).arm("lead_1")
        'champion'
        """
        return CHALLENGER_ARM if place(self.name, entity) < self.share else CHAMPION_ARM

    def version_of(self, arm: str) -> str:
        """Return the version that answers an arm."""
        return self.challenger if arm == CHALLENGER_ARM else self.champion


def place(salt: str, entity: str) -> float:
    """Return where in [0, 1) an entity falls: uniform over entities, the same for ever."""
    digest = hashlib.sha256(f"{salt}:{entity}".encode()).digest()
    return float(int.from_bytes(digest[:8]) / 2**64)


def entries(lake: Lake, model: str) -> list[Entry]:
    """Return the decisions about a model, oldest first."""
    rows = lake.read(TABLE, where=("model", model)).to_pylist()
    return sorted((_entry(row) for row in rows), key=lambda each: each.number)


def running(known: Sequence[Entry]) -> Experiment | None:
    """Return the experiment that runs now: none after it ended or another version came to serve."""
    found: Experiment | None = None
    for each in known:
        if each.decision == STAGED and each.replaced is not None:
            name = each.evidence["name"]
            started = found.started if found is not None and found.name == name else each.at
            found = Experiment(
                name, each.model, each.replaced, each.version, each.evidence["share"], each.at, started
            )  # fmt: skip
        elif each.decision == ENDED or each.decision in MOVES:
            found = None
    return found


def before(known: Sequence[Entry], version: str) -> str | None:
    """Return what served before a version, going back over versions that were taken back."""
    bad = taken_back(known)
    earlier = {each.version: each.replaced for each in known if each.decision in {PROMOTED, FOUND}}
    found = earlier.get(version)
    while found in bad:
        found = earlier.get(found)
    return found


def refused_for(known: Sequence[Entry], version: str) -> tuple[str, ...]:
    """Return what the last word of the gate about a version found wrong with it, if anything."""
    said = [
        each for each in known if each.version == version and each.decision in (PROMOTED, REFUSED)
    ]
    return tuple(said[-1].evidence.get(FAULTS, ())) if said else ()


def taken_back(known: Sequence[Entry]) -> dict[str, Entry]:
    """Return the versions that were taken back, with the decision that did it."""
    return {
        each.replaced: each
        for each in known
        if each.decision == ROLLED_BACK and each.replaced is not None
    }


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        row["number"], row["model"], row["decision"], row["version"], row["replaced"], row["at"],
        row["by"], tuple(json.loads(row["reasons_json"])), json.loads(row["evidence_json"]),
        row["code"], row["data_as_of"],
    )  # fmt: skip
