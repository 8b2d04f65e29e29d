"""How often the monitor cries wolf, and how soon it finds what is planted: windows of simulated markets.

A market a seed. A model learns from a year and is watched for the thirteen weeks after it, then another
learns: so every quarter. ``--quiet N`` counts the alarms of N quiet weeks, the design document's plain rule
(any column with KS p < .05) beside ours. ``--planted N`` plants one change a seed from a drawn week on and
counts whether it is found within three: half a standard deviation in a number, the largest category taken
for another, half of it, a join that breaks for a fifth of the rows, and odds that no longer hold.
``--json FILE`` keeps every count.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hki_ml.learning.lead_features import feature_frame
from hki_ml.metrics.interval import share_interval
from hki_ml.monitoring.check import Check, Rules, settled
from hki_ml.monitoring.features import (
    Habits,
    category_changes,
    feature_drift,
    habits_of,
    is_number,
    missing_values,
)
from hki_ml.monitoring.outcomes import yes_or_no
from hki_ml.monitoring.predictions import prediction_drift
from hki_ml.pipeline.monitor import _amounts as amounts
from hki_ml.pipeline.monitor_frames import is_watched

BEGINS = datetime(2012, 6, 1, tzinfo=UTC)
LEARNED = BEGINS + timedelta(days=730)  # the first: what comes before tells leads of their homes
ENDS = datetime(2016, 12, 1, tzinfo=UTC)
QUARTER = 13  # weeks
WEEK = timedelta(days=7)
LEADS_PER_DAY = 70.0  # 490 a week
RULES = Rules()
KINDS = ("half a sd", "collapse", "half a category", "join", "concept")
CATEGORIES = {"collapse": 1.0, "half a category": 0.5}


def market(seed: int) -> pd.DataFrame:
    """Return a row a lead on arrival: its features, when it came, its true odds and whether it closed."""
    import pyarrow as pa

    from hki_ml.models.lead_scoring import room
    from hki_ml.simulation.market import events_table
    from hki_ml.simulation.world import World
    from hki_ml.transforms.lead_state import Activity, Surroundings, lead_state
    from hki_ml.transforms.leads import leads
    from tests.unit.simulation.town import town

    events = events_table(World(seed, LEADS_PER_DAY, BEGINS, ENDS), town())
    known = leads(events)
    rows = room.spine({"leads": known})
    rows = rows[rows["landmark_days"] == 0].reset_index(drop=True)
    asked = pa.Table.from_pandas(rows[["lead_id", "event_timestamp"]], preserve_index=False)
    activity = Activity.of(events.to_batches(), known["lead_id"].combine_chunks())
    state = lead_state(asked, known, activity, Surroundings()).to_pandas()
    found = feature_frame(
        state.drop(columns="event_timestamp").assign(event_timestamp=rows["event_timestamp"])
    )
    took = (rows["ended_at"] - rows["created_at"]) <= timedelta(days=90)
    closed = ((rows["outcome"] == "closed") & took).to_numpy(float)
    at = pd.Series(rows["created_at"].to_numpy(), name="at")
    columns = [c for c in map(str, found) if is_watched(c) and found[c].nunique() > 1]
    return found[columns].assign(at=at, closed=closed, lead=rows["lead_id"].to_numpy())


class Watch:
    """A model under watch: its reference, its habits, what it says, and the weeks of its quarter."""

    def __init__(self, rows: pd.DataFrame, learned: datetime) -> None:
        first = pd.Timestamp(learned)
        rows = rows[rows["at"] >= first - timedelta(days=365)]
        self.columns = [c for c in map(str, rows) if c not in {"at", "closed", "lead"}]
        rows = rows.assign(said=_plain_odds(rows, self.columns, first))
        self.reference = rows[rows["at"] < first]
        self.weeks = [_week(rows, first + k * WEEK) for k in range(QUARTER)]
        blocks = [_week(rows, first - (k + 1) * WEEK) for k in range(26)]
        self.habits: Habits = habits_of(blocks, self.columns, rules=RULES)

    def looked_at(self, window: pd.DataFrame) -> list[Check]:
        """Return the checks of a window as the monitor makes them."""
        held = (self.reference, window)
        return [
            *missing_values(*held, self.columns, rules=RULES, habits=self.habits),
            *category_changes(*held, self.columns, rules=RULES),
            *amounts(*held, self.columns),
            *feature_drift(*held, self.columns, rules=RULES, habits=self.habits),
            prediction_drift(
                self.reference["said"].to_numpy(), window["said"].to_numpy(), rules=RULES
            ),
        ]

    def came_true(self, window: pd.DataFrame) -> list[Check]:
        """Return the checks of what came true in a window, against the reference."""
        return yes_or_no(_judged(self.reference), _judged(window), rules=RULES)


def watches(seed: int) -> Iterator[Watch]:
    """Yield one watch after another over a market."""
    rows, learned = market(seed), LEARNED
    while learned + QUARTER * WEEK <= ENDS:
        yield Watch(rows[rows["at"] < pd.Timestamp(learned + QUARTER * WEEK)], learned)
        learned += QUARTER * WEEK


def _week(rows: pd.DataFrame, begin: pd.Timestamp) -> pd.DataFrame:
    return rows[(rows["at"] >= begin) & (rows["at"] < begin + WEEK)]


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {"outcome": rows["closed"], "probability": rows["said"], "entity": rows["lead"]}
    )


def _plain_odds(
    rows: pd.DataFrame, columns: list[str], learned: pd.Timestamp
) -> np.ndarray[Any, Any]:
    """Return what boosted trees of the reference's older two thirds say, calibrated on its last third."""
    import lightgbm as lgb
    from scipy.special import expit, logit

    known = (rows["at"] < learned).to_numpy()
    old = (rows["at"] < learned - timedelta(days=122)).to_numpy()
    table = rows[columns].copy()
    for name in columns:
        if not is_number(table[name]):
            table[name] = table[name].astype("category").cat.codes
    grown = lgb.train(
        {"objective": "binary", "num_leaves": 8, "learning_rate": 0.05, "verbosity": -1, "num_threads": 1},
        lgb.Dataset(table[old], rows["closed"][old]), 150,
    )  # fmt: skip
    margin = logit(np.clip(grown.predict(table), 1e-4, 1 - 1e-4))
    from sklearn.linear_model import LogisticRegression

    late = known & ~old
    curve = LogisticRegression().fit(margin[late, None], rows["closed"][late])
    return np.asarray(expit(curve.decision_function(margin[:, None])))


def alarms_of(checks: list[Check], earlier: dict[str, list[bool | None]]) -> list[Check]:
    """Return the checks that alarm, and note their signals."""
    found = []
    for check in checks:
        name = f"{check.kind}|{check.subject}"
        done = settled(check, earlier.get(name, []), RULES)
        earlier.setdefault(name, []).append(check.signal)
        if done.alarm:
            found.append(done)
    return found


def quiet(windows: int) -> dict[str, Any]:
    """Return how many of so many quiet windows alarm, and how often the plain rule would."""
    seen = ours = plain = incidents = quarters = seed = 0
    kinds: dict[str, int] = {}
    while seen < windows:
        for watch in watches(seed):
            earlier: dict[str, list[bool | None]] = {}
            told: set[str] = set()
            for window in watch.weeks:
                checks = [*watch.looked_at(window), *watch.came_true(window)]
                alarms = alarms_of(checks, earlier)
                ours += bool(alarms)
                plain += any(each.raw_signal for each in checks if each.kind == "feature_drift")
                seen += 1
                for each in alarms:
                    name = f"{each.kind} of {each.subject}"
                    kinds[name] = kinds.get(name, 0) + 1
                told |= {
                    each.kind for each in alarms
                }  # an incident goes on until something is learned
            incidents += len(told)
            quarters += 1
        seed += 1
        print(
            f"market {seed - 1}: {seen} weeks, {ours} with an alarm, {plain} by the plain rule",
            kinds,
            flush=True,
        )
    return {
        "windows": seen, "markets": seed, "with an alarm": ours, "plain rule": plain,
        "share": [100 * ours / seen, *share_interval(100 * ours / seen, seen)],
        "plain share": [100 * plain / seen, *share_interval(100 * plain / seen, seen)],
        "incidents": incidents, "incidents a quarter": incidents / quarters,
        "alarms a quarter": ours / quarters,
        "of": kinds,
    }  # fmt: skip


def planted(seeds: int) -> dict[str, Any]:
    """Return how many planted changes of each kind are found within three windows, and named in time."""
    every = [watch for seed in range(100, 102) for watch in watches(seed)]
    found: dict[str, dict[str, float]] = {k: {"found": 0, "named": 0, "windows": 0} for k in KINDS}
    for seed in range(seeds):
        watch = every[seed % len(every)]
        random = np.random.default_rng(seed)
        begin = int(random.integers(2, len(watch.weeks) - 2))
        for kind in KINDS:
            after = _within(watch, kind, begin, random)
            if after is not None:
                found[kind]["found"] += 1
                found[kind]["windows"] += after[0]
                found[kind]["named"] += after[1]
    for each in found.values():
        each["mean windows"] = each.pop("windows") / max(each["found"], 1)
        share = 100 * each["found"] / seeds
        each["share"] = [share, *share_interval(share, seeds)]  # type: ignore[assignment]
    return {"seeds": seeds, **found}


def _within(watch: Watch, kind: str, begin: int, random: Any) -> tuple[int, bool] | None:
    """Return after how many windows a change is found, and whether its window is named; or ``None``."""
    target = _target(watch, kind, random)
    earlier: dict[str, list[bool | None]] = {}
    for place in range(begin - 2, begin + 3):
        window = watch.weeks[place]
        if place >= begin:
            window = _changed(watch, window, kind, target, random)
        checks = watch.came_true(window) if kind == "concept" else watch.looked_at(window)
        alarms = alarms_of(checks, earlier)
        hits = [each for each in alarms if kind == "concept" or target in each.subject]
        if place >= begin and hits:
            signals = earlier[f"{hits[0].kind}|{hits[0].subject}"]
            first = begin - 2 + next(i for i, each in enumerate(signals) if each)
            return place - begin + 1, abs(first - begin) <= 1
    return None


def _target(watch: Watch, kind: str, random: Any) -> str:
    """Return which column is changed: one of those that matter to whether a lead closes."""
    reference = watch.reference
    numbers = [c for c in watch.columns if is_number(reference[c]) and reference[c].nunique() > 20]
    numbers = [c for c in numbers if reference[c].notna().mean() > 0.8]
    others = [
        c for c in watch.columns if not is_number(reference[c]) and reference[c].nunique() <= 10
    ]
    others = [c for c in others if reference[c].notna().mean() > 0.8]
    if kind in CATEGORIES:
        return str(random.choice(others))
    by = {c: abs(reference[c].corr(reference["closed"], method="spearman")) for c in numbers}
    return str(random.choice(sorted(by, key=lambda c: -by[c])[:5]))


def _changed(
    watch: Watch, window: pd.DataFrame, kind: str, target: str, random: Any
) -> pd.DataFrame:
    changed = window.copy()
    if kind == "half a sd":
        changed[target] = changed[target] + 0.5 * watch.reference[target].std()
    elif kind in CATEGORIES:
        common = watch.reference[target].value_counts().index
        lost = (changed[target] == common[0]) & (random.random(len(changed)) < CATEGORIES[kind])
        changed.loc[lost, target] = common[1]
    elif kind == "join":
        changed.loc[random.random(len(changed)) < 0.2, target] = np.nan
    else:  # what is said is as before; what becomes of leads hangs on it a quarter as much
        from scipy.special import expit, logit

        margin = logit(changed["said"].to_numpy())
        flat = expit(0.25 * margin)
        flat *= (
            changed["said"].mean() / flat.mean()
        )  # as many close as before, hardly those that were said
        changed["closed"] = (random.random(len(changed)) < flat).astype(float)
    return changed


def main() -> None:
    """Run what is asked for."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--quiet", type=int, default=0)
    asked.add_argument("--planted", type=int, default=0)
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    found: dict[str, Any] = {}
    if args.quiet:
        found["quiet"] = quiet(args.quiet)
        print(json.dumps(found["quiet"], indent=1), flush=True)
    if args.planted:
        found["planted"] = planted(args.planted)
        print(json.dumps(found["planted"], indent=1), flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
