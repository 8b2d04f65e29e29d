"""Which planted defects training refuses by name, and whether it refuses the same market without one.

    python benchmarks/planted_defects.py [--seeds 20] [--json FILE]

A market a seed (14 leads a day for a year) as events, its features by the platform's transforms, then the
checks that lead scoring passes before it learns: a fact that is filled from how a lead ended; a batch of ends
by a threshold on a score (under its own name, and renamed with the scores recorded); a protected group, known
for the audit, smuggled in as the number of a list; and a proxy of it, a mailing segment that 88 % of the
group and 12 % of the others have, which is not to be refused but told by the audit.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
BEGINS = datetime(2014, 12, 1, tzinfo=UTC)
ENDS = datetime(2015, 12, 1, tzinfo=UTC)
LEADS_PER_DAY = 14.0
NAMES = {
    "leak": "fact_title_order_usd", "self-label": "our own predictions",
    "self-label, renamed": "threshold on our own scores", "bias, smuggled": "list_number",
    "bias, a proxy": "mailing_segment",
}  # fmt: skip


def frame_of(seed: int, defect: str | None) -> pd.DataFrame:
    """Return the examples of lead scoring in a market, with the truth's group where one is planted."""
    import pyarrow as pa

    from hki_ml.models.lead_scoring import room
    from hki_ml.simulation.market import events_table
    from hki_ml.simulation.truth import truth
    from hki_ml.simulation.world import Defects, World
    from hki_ml.transforms.lead_state import Activity, Surroundings, lead_state
    from hki_ml.transforms.leads import leads
    from tests.unit.simulation.town import town

    kind = None if defect is None else defect.split(",")[0]
    planted = Defects() if kind is None else Defects.named((kind,), ends_at=ENDS)
    world = World(seed, LEADS_PER_DAY, BEGINS, ENDS, planted)
    events = events_table(world, town())
    known = leads(events)
    rows = room.spine({"leads": known})
    asked = pa.Table.from_pandas(rows[["lead_id", "event_timestamp"]], preserve_index=False)
    activity = Activity.of(events.to_batches(), known["lead_id"].combine_chunks())
    state = lead_state(asked, known, activity, Surroundings()).to_pandas()
    frame = rows.merge(state.drop(columns=["created"]), on=["lead_id", "event_timestamp"])
    if kind not in {"bias", "self-label"} or defect == kind == "self-label":
        return frame
    true = truth(world, town(), paths=4).leads.to_pandas().set_index("lead_id")
    if kind == "bias":
        group = np.where(true["is_protected"], "minority", "majority")
        frame = frame.assign(protected_race=frame["lead_id"].map(pd.Series(group, true.index)))
        return frame if defect == "bias, a proxy" else smuggled(frame)
    from hki_ml.simulation import wire

    renamed = frame["outcome_source"].replace(wire.SCORING, "partner-crm")
    return frame.assign(outcome_source=renamed, recorded_score=frame["lead_id"].map(true["logit"]))


def smuggled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with the group as a number among the facts."""
    number = np.where(frame["protected_race"] == "minority", 4, 2)
    facts = [
        json.dumps({**json.loads(text or "{}"), "list_number": int(each)})
        for text, each in zip(frame["lead_facts_json"], number, strict=True)
    ]
    return frame.assign(lead_facts_json=facts)


def verdict(frame: pd.DataFrame) -> str:
    """Return why a frame is refused, or nothing."""
    from hki_ml.errors import GateRefused
    from hki_ml.models.lead_scoring.train import prepare

    try:
        prepare(frame, as_of=pd.Timestamp(ENDS))
    except GateRefused as refused:
        return str(refused)
    return ""


def main() -> None:
    """Count what is refused over the seeds."""
    sys.path.insert(0, str(ROOT))
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    asked.add_argument("--seeds", type=int, default=20)
    asked.add_argument("--json", type=Path)
    given = asked.parse_args()
    told: dict[str, list[Any]] = {name: [] for name in ("none", *NAMES)}
    for seed in range(given.seeds):
        clean = verdict(frame_of(seed, None))
        told["none"].append(clean)
        for name, says in NAMES.items():
            told[name].append(says in verdict(frame_of(seed, name)))
        print(seed, {name: found[-1] for name, found in told.items()}, flush=True)
    found = {name: f"{sum(map(bool, each))} of {len(each)} refused" for name, each in told.items()}
    print(json.dumps(found, indent=1))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
