"""A thousand answers about leads over three versions of each model, each made again and compared by bytes.

A small market is simulated and three versions of the three models are trained on it (seeds 0, 1 and 2).
The real service answers in this process; then every answer is made again from the lake and the registry.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import warnings
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "doors" / "serving")]
ROUTES = ("score-lead", "predict-conversion", "predict-time-to-close")
ANSWERS = 1_000


def main() -> None:
    """Print how many answers were the same to the byte, and what making one again takes."""
    warnings.simplefilter("ignore")
    from leads_home import NOW, ROOMS, add_version, application, at_home, set_clock

    from hki_ml.reproduce import Reproducer
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    chance = random.Random(0)  # noqa: S311 - which leads are asked about
    with tempfile.TemporaryDirectory() as made:
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made)
        backend = connect_or_prepare(home)
        ids: list[str] = []
        with application(home) as running:
            for seed in range(3):
                versions = [
                    add_version(backend, room, as_of=NOW - timedelta(hours=6), seed=seed)
                    for room in ROOMS
                ]
                wait_for(running.front, versions)
                ids += answers(running, chance, set_clock, NOW + timedelta(hours=seed))
        begun, same = time.perf_counter(), 0
        with at_home(home):
            again = Reproducer(connect(load_settings()), now=NOW + timedelta(hours=3))
            for prediction in ids:
                same += again.reproduce(prediction).is_identical
        each = (time.perf_counter() - begun) / len(ids) * 1e3
        print(
            f"{same} of {len(ids)} answers by 3 versions are identical; {each:.1f} ms to make one again"
        )


def connect_or_prepare(home: Path):  # type: ignore[no-untyped-def]
    """Return the platform in a folder, which is made where there is none."""
    from leads_home import at_home, prepare

    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    if not (home / "lake").exists():
        return prepare(home)
    with at_home(home):
        return connect(load_settings())


def wait_for(client, versions: list[str]) -> None:  # type: ignore[no-untyped-def]
    """Return once these versions serve."""
    from leads_home import ROOMS

    wanted = dict(zip(ROOMS, versions, strict=True))
    while True:
        told = client.get("/api/v1/ml/models").json()["data"]["models"]
        if wanted.items() <= {each["name"]: each["servingVersion"] for each in told}.items():
            return
        time.sleep(0.1)


def answers(running, chance, set_clock, now) -> list[str]:  # type: ignore[no-untyped-def]
    """Ask of leads drawn at random, some of which have just done something; return the predictions."""
    client, ids = running.front, []
    known = client.get("/api/v1/ml/leads?limit=500").json()["data"]["leads"]
    while len(ids) < ANSWERS // 3 + 1:
        set_clock(running, now + timedelta(seconds=len(ids)))
        lead = chance.choice(known)["leadId"]
        if chance.random() < 0.2:
            kind = chance.choice(["lead.replied", "lead.visited", "lead.contacted"])
            client.post("/api/v1/events", json={"eventType": kind, "entityId": lead})
        said = client.post(f"/api/v1/ml/{chance.choice(ROUTES)}", json={"leadId": lead}).json()
        ids.append(said["data"]["predictionId"])
    return ids


if __name__ == "__main__":
    main()
