"""The whole path on real sales: in with a file, out with a champion; a second time changes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hki_ml.mapping.loading import load_mapping
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.promote import promote
from hki_ml.pipeline.train import train
from hki_ml.wiring import Backend


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the path: what it was, what it did, how long it took."""

    name: str
    did: str
    seconds: float


def walk(backend: Backend, file: Path, mapping: Path, *, now: datetime) -> Iterator[Step]:
    """Import the file, bring tables and features up, train, and put the candidate to the gate."""

    def bring_in() -> str:
        tally = Import(backend.bus, backend.lake, load_mapping(mapping), as_of=now).run(file)
        return f"{tally.accepted:,} sales new, {tally.duplicates:,} known, {tally.refused.total()} refused"

    def features() -> str:
        done = materialize(backend, until=now)
        return (
            f"facts of {done.facts:,} homes and moments, {done.rows:,} rows new to the online store"
        )

    def model() -> str:
        made = train(backend, "valuation", as_of=now)
        told = "trained" if made.is_new else "nothing new to learn from"
        error = made.version.figures.get("mdape")
        return f"{told}: version {made.version.version}, MdAPE {error:.2f} % on later sales"

    def gate() -> str:
        verdict = promote(backend, "valuation", as_of=now)
        champion = verdict.champion.version if verdict.champion else "none"
        return f"champion: version {champion}" + "".join(f"; {why}" for why in verdict.reasons)

    steps: list[tuple[str, Callable[[], str]]] = [
        ("import", bring_in),
        ("features", features),
        ("train", model),
        ("promote", gate),
    ]
    for name, step in steps:
        started = time.perf_counter()
        did = step()
        yield Step(name, did, time.perf_counter() - started)
