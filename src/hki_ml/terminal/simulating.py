"""``hki simulate`` as a person sees it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from hki_ml.terminal.errors import one_message


def simulate(
    leads: int,
    seed: int,
    span: tuple[datetime | None, datetime | None],
    *,
    truth: Path | None,
    defects: tuple[str, ...],
    paths: int,
) -> None:
    """Publish and ingest a world of leads and investors, and say what became of it.

    ``span`` is the first day and the last moment that anything is known of: 1,095 days before the latter,
    and the beginning of today, if they are not given.
    """
    from hki_ml.settings import load_settings
    from hki_ml.simulation.run import homes_in
    from hki_ml.simulation.run import simulate as run
    from hki_ml.simulation.world import Defects, World
    from hki_ml.wiring import connect

    console = Console(highlight=False)
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    since, until = span
    ends_at = today if until is None else until.replace(tzinfo=UTC)
    with one_message():
        planted = Defects.named(defects, ends_at=ends_at)
        world = World.before(ends_at, seed=seed, leads=leads, defects=planted)
        if since is not None:
            world = replace(world, starts_at=since.replace(tzinfo=UTC))
        backend = connect(load_settings())
        homes = homes_in(backend.lake)
        if not len(homes.ids):
            console.print("no sales in the lake: the leads are about no known homes")
        with Console(stderr=True).status("writing events"):
            done = run(backend, world, homes, now=now)
        console.print(
            f"{done.events:,} events, {done.published:,} new; in the lake now "
            f"{done.ingested.accepted:,} more, {done.ingested.quarantined.total():,} refused"
        )
        if truth is not None:
            from hki_ml.simulation.truth import truth as true_chances

            with Console(stderr=True).status("running every lead forward"):
                true_chances(world, homes, paths=paths).write(truth)
            console.print(f"what is really so: {truth}")
