"""The whole path on real sales and a simulated market: in with events, out with champions; twice is once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from hki_ml.catalog import ROOMS
from hki_ml.mapping.loading import load_mapping
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.promote import promote
from hki_ml.pipeline.train import train
from hki_ml.simulation.run import homes_in, simulate
from hki_ml.simulation.world import World
from hki_ml.wiring import Backend

SEED, LEADS_PER_DAY = 0, 18.0
MARKET_OPENS = datetime(2023, 11, 1, tzinfo=UTC)

HEADLINES: dict[str, tuple[str, str]] = {
    "valuation": ("mdape", "MdAPE {:.2f} % on later sales"),
    "lead_scoring": ("auc", "AUC {:.3f} on later leads"),
    "conversion": ("log_loss", "log loss at 90 days {:.4f} on later leads"),
    "time_to_close": ("C", "Uno's C {:.3f} on later leads"),
    "investor_matching": ("ndcg_at_5", "NDCG@5 {:.3f} on later deals"),
    "risk": ("AUC", "AUC of falling through {:.3f} on later contracts"),
}
"""Model → the figure that sums it up, and how it is told."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the path: what it was, what it did, how long it took."""

    name: str
    did: str
    seconds: float


def walk(backend: Backend, file: Path, mapping: Path, *, now: datetime) -> Iterator[Step]:
    """Import the sales, simulate a market on their homes up to today, train and judge every model."""
    steps: list[tuple[str, Callable[[], str]]] = [
        ("import", partial(_bring_in, backend, file, mapping, now)),
        ("features", partial(_features, backend, now)),
        ("valuation", partial(_model, backend, "valuation", now)),
        ("market", partial(_market, backend, now)),
        ("features", partial(_features, backend, now)),
        *((name, partial(_model, backend, name, now)) for name in ROOMS if name != "valuation"),
    ]
    for name, step in steps:
        started = time.perf_counter()
        did = step()
        yield Step(name, did, time.perf_counter() - started)


def _bring_in(backend: Backend, file: Path, mapping: Path, now: datetime) -> str:
    tally = Import(backend.bus, backend.lake, load_mapping(mapping), as_of=now).run(file)
    return (
        f"{tally.accepted:,} sales new, {tally.duplicates:,} known, {tally.refused.total()} refused"
    )


def _features(backend: Backend, now: datetime) -> str:
    done = materialize(backend, until=now)
    return (
        f"{done.facts:,} facts of homes, {done.lead_states:,} states of leads, {done.valued:,} homes "
        f"of leads valued; {done.rows:,} rows new online"
    )


def _market(backend: Backend, now: datetime) -> str:
    # From a fixed day up to last midnight: a later walk adds days, and one on the same day nothing.
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    world = World(SEED, LEADS_PER_DAY, MARKET_OPENS, midnight)
    done = simulate(backend, world, homes_in(backend.lake), now=now)
    return f"SIMULATED leads, investors and deals: {done.published:,} events new of {done.events:,}"


def _model(backend: Backend, name: str, now: datetime) -> str:
    made = train(backend, name, as_of=now)
    told = "trained" if made.is_new else "nothing new to learn from"
    figure, text = HEADLINES[name]
    verdict = promote(backend, name, as_of=now)
    champion = verdict.champion.version if verdict.champion else "none"
    reasons = "".join(f"; {why}" for why in verdict.reasons)
    headline = text.format(made.version.figures.get(figure, float("nan")))
    return f"{told}: version {made.version.version}, {headline}; champion: {champion}{reasons}"
