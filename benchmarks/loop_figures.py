"""What the loop is worth on real records replayed month by month, beside a model that is left alone.

    python benchmarks/loop_figures.py bank_marketing seattle singapore [--json FILE] [--plots docs/plots]

On the first of each replayed month a candidate learns from all that was known, has its trial and meets the
champion in the gate that ``hki promote`` uses; who is champion then answers for the month, as known at each
moment. Three run side by side: ``loop`` (with the gate), ``newest`` (each candidate serves, no gate) and
``frozen`` (the first champion). Bank marketing counts AUC, the cities the coverage of intervals by quarter.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hki_ml.catalog import room
from hki_ml.learning.intervals import LEVELS
from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import hide_later
from hki_ml.mapping.loading import load_mapping
from hki_ml.metrics.classification import auc, auc_gain
from hki_ml.metrics.interval import share_interval
from hki_ml.monitoring.check import Rules, settled
from hki_ml.monitoring.features import feature_drift, habits_of
from hki_ml.pipeline import gates
from hki_ml.pipeline.meeting import meet, since_learned
from hki_ml.pipeline.monitor import intervals
from hki_ml.pipeline.monitor_frames import is_watched
from hki_ml.pipeline.promote import refresh_after
from hki_ml.settings import load_settings

RULES = Rules()
ROOT = Path(__file__).parents[1]
FILES = {
    "bank_marketing": "bank_marketing_uci/bank_additional_full.parquet",
    "seattle": "seattle_repeat_sales/seattle_sales.parquet",
    "singapore": "sg_hdb_resale/hdb_resale_2017_2023.parquet",
}
BEGINS = {"seattle": "2016-01-01", "singapore": "2023-01-01"}
TEST_SHARE = 0.2  # of bank marketing's rows, the last
MONTH = timedelta(days=30)
ALLOWED = 2.0  # points of coverage


@dataclass(frozen=True)
class Version:
    """One trained version: its folder, since when it may serve, and how its trial went."""

    fitted: Any
    folder: Path
    as_of: pd.Timestamp
    losses: pd.DataFrame


@dataclass(frozen=True)
class Month:
    """A replayed month: its bounds, who serves in each of the three, and what the gate said."""

    begin: pd.Timestamp
    end: pd.Timestamp
    serving: dict[str, Version]
    said: str


def replay(name: str, frame: pd.DataFrame, bounds: list[pd.Timestamp]) -> Iterator[Month]:
    """Yield month after month with who serves in it; ``frame`` has all rows, later ones hidden by us."""
    rooms, champion, first = room(name), None, None
    with tempfile.TemporaryDirectory() as made:
        for begin, end in itertools.pairwise(bounds):
            known = frame[frame["event_timestamp"] < begin].reset_index(drop=True)
            if name == "lead_scoring":
                known = hide_later(known, begin)
            trial = rooms.trial(known, seed=0, threads=1)
            fitted = rooms.fit(known, as_of=begin.to_pydatetime(), seed=0, threads=1, trial=trial)
            folder = Path(made) / f"{begin:%Y%m%d}"
            rooms.save(fitted, folder, notes={})
            made_now = Version(fitted, folder, begin, trial.losses)
            said = "the first"
            if champion is not None:
                said = _verdict(name, made_now, champion, known)
            own = rooms.problems(trial.report)
            if own and champion is not None:
                said = "; ".join(own)
            passes = {gates.BETTER, "old"}
            if champion is not None and has_moved(champion, known):
                said, passes = f"{said} (moved)", passes | {gates.AS_GOOD}
            if champion is None or (not own and said.split(" (")[0] in passes):
                champion = made_now
            first = first or made_now
            serving = {"loop": champion, "newest": made_now, "frozen": first}
            print(f"{name} {begin:%Y-%m-%d}: {said}", flush=True)
            yield Month(begin, end, serving, said)


def has_moved(champion: Version, known: pd.DataFrame) -> bool:
    """Tell whether the monitor alarms since a champion learned: columns of leads, intervals of values."""
    if "lead_id" not in known:
        learned = champion.as_of.to_pydatetime()
        later = since_learned(room("valuation"), champion.folder, known, learned=learned)
        return later is not None and any(each.signal for each in intervals(later))
    at, learned = known["event_timestamp"], champion.as_of
    features = feature_frame(known)
    before = (at >= learned - timedelta(days=365)) & (at < learned)
    months = [(at >= learned - k * MONTH) & (at < learned - (k - 1) * MONTH) for k in range(1, 7)]
    columns = [c for c in map(str, features) if is_watched(c) and features[c].nunique() > 1]
    habits = habits_of([features[month] for month in months], columns, rules=RULES)
    earlier: dict[str, list[bool | None]] = {}
    begin = learned
    while (at >= begin).sum() >= RULES.least_rows:
        month = features[(at >= begin) & (at < begin + MONTH)]
        for check in feature_drift(features[before], month, columns, rules=RULES, habits=habits):
            if settled(check, earlier.get(check.subject, []), RULES).alarm:
                return True
            earlier.setdefault(check.subject, []).append(check.signal)
        begin += MONTH
    return False


def _verdict(name: str, candidate: Version, champion: Version, known: pd.DataFrame) -> str:
    learned = champion.as_of.to_pydatetime()
    since = since_learned(room(name), champion.folder, known, learned=learned)
    met = None if since is None else meet(room(name), known, since, seed=0, threads=1)
    ours = candidate.losses if met is None else met.losses
    theirs = pd.concat([champion.losses, since], ignore_index=True)
    found = gates.compare(ours, theirs.drop_duplicates("example_id", keep="last"))
    if found.refusals:
        return "; ".join(found.refusals)
    is_old = candidate.as_of - champion.as_of >= refresh_after(name)
    said = "old" if found.finding == gates.AS_GOOD and is_old else found.finding
    return f"{said} (by its trial)" if met is None and said != gates.UNCLEAR else said


def bank_marketing(path: Path) -> dict[str, Any]:
    """Return AUC by month and over the last fifth, of the three and of one untuned frozen LightGBM."""
    from hki_ml.models.lead_scoring.labels import labels
    from hki_ml.pipeline.lead_frame import lead_frame

    mapping = load_mapping(ROOT / "mappings" / "bank_marketing.toml")
    frame = lead_frame(path, mapping, as_of=datetime.now(UTC), seed=0).rows  # type: ignore[arg-type]
    created = frame["created_at"].sort_values()
    begin, last = created.iloc[int(len(created) * (1 - TEST_SHARE))], created.iloc[-1]
    bounds = [*pd.date_range(begin, last, freq=MONTH), last + timedelta(seconds=1)]
    said: dict[str, list[np.ndarray[Any, Any]]] = {"closed": []}
    months = []
    for month in replay("lead_scoring", frame, bounds):
        later = frame[(frame["created_at"] >= month.begin) & (frame["created_at"] < month.end)]
        later = later[labels(later).matured].sort_values("event_timestamp", kind="stable")
        closed, answers = _odds(month, frame, later.reset_index(drop=True))
        said["closed"].append(closed)
        for who, odds in answers.items():
            said.setdefault(who, []).append(odds)
        by = {who: auc(closed, odds) for who, odds in answers.items()}
        months.append(
            {"month": f"{month.begin:%Y-%m-%d}", "n": len(closed), "gate": month.said, **by}
        )
    truth = np.concatenate(said.pop("closed"))
    whole = {who: np.concatenate(parts) for who, parts in said.items()}
    gain = {
        f"loop less {who}": auc_gain(truth, whole["loop"], odds)
        for who, odds in whole.items() if who != "loop"
    }  # fmt: skip
    rivals = room("lead_scoring").backtest(
        frame, cutoff=begin.to_pydatetime(), until=None, seed=0, threads=1
    )
    plain = {
        f"{regime}, {name}": rivals.as_json()[f"side by side, {regime}"][name]["AUC"]
        for regime in ("as_known", "strict") for name in ("untuned LightGBM", "logistic regression")
    }  # fmt: skip
    return {
        "n": len(truth), "frozen rivals": plain,
        "AUC": {who: auc(truth, odds) for who, odds in whole.items()},
        "gain": {who: [value, *ends] for who, (value, ends) in gain.items()}, "months": months,
    }  # fmt: skip


def _odds(
    month: Month, frame: pd.DataFrame, later: pd.DataFrame
) -> tuple[np.ndarray[Any, Any], dict[str, np.ndarray[Any, Any]]]:
    """Return what came true in a month and what each of the three said, as known at each moment."""
    from hki_ml.models.lead_scoring.evaluate import judge
    from hki_ml.models.lead_scoring.labels import labels

    found = {}
    for who, version in month.serving.items():
        since = (frame["created_at"] >= version.as_of) & (frame["created_at"] < month.end)
        rows = frame[since & labels(frame).matured].sort_values("event_timestamp", kind="stable")
        rows = rows.reset_index(drop=True)
        judged = judge(version.fitted, rows, "as_known")
        place = pd.Series(np.arange(len(rows)), index=rows["lead_id"]).reindex(later["lead_id"])
        found[who] = judged.probability[place.to_numpy()]
        if who == "frozen":
            strict = judge(version.fitted, rows, "strict")
            found["frozen, strict"] = strict.probability[place.to_numpy()]
    return labels(later).closed, found


def city(name: str, path: Path) -> dict[str, Any]:
    """Return the coverage of the three by month and quarter."""
    from hki_ml.models.valuation.room import canonical
    from hki_ml.pipeline.sale_frame import sale_frame

    mapping = load_mapping(ROOT / "mappings" / f"{name}.toml")
    frame = sale_frame(path, mapping, as_of=datetime.now(UTC)).sales  # type: ignore[arg-type]
    frame = frame.assign(event_timestamp=frame["sold_at"])
    last = frame["sold_at"].max()
    bounds = [*pd.date_range(pd.Timestamp(BEGINS[name], tz=last.tz), last, freq="MS")]
    bounds.append(bounds[-1] + pd.DateOffset(months=1))
    sales = canonical(frame)
    rows = []
    for month in replay("valuation", frame, bounds):
        for who, version in month.serving.items():
            rows.append(_held(version, sales, month).assign(who=who))
    whole = pd.concat(rows, ignore_index=True)
    whole["quarter"] = whole["sold_at"].dt.tz_convert(None).dt.to_period("Q").astype(str)
    quarters = [_coverage(some, who=who, quarter=quarter)
                for (who, quarter), some in whole.groupby(["who", "quarter"])]  # fmt: skip
    return {
        "quarters": quarters,
        "all": [_coverage(some, who=who) for who, some in whole.groupby("who")],
    }


def _held(version: Version, sales: pd.DataFrame, month: Month) -> pd.DataFrame:
    """Return whether each interval of a month's sales held, as known at each sale."""
    from hki_ml.models.valuation.core import SaleBook
    from hki_ml.models.valuation.predict import follow

    later = sales[(sales["sold_at"] >= version.as_of) & (sales["sold_at"] < month.end)]
    later = later[later["price_usd"] > 0].sort_values(["sold_at", "sale_id"], kind="stable")
    book = SaleBook.of(later.reset_index(drop=True))
    told = follow(version.fitted.core, version.fitted.calibration, book, step_days=7)
    value = version.fitted.calibration.blend.log_value(
        told.seen.base, told.seen.members, told.seen.level
    )
    off = np.abs(book.log_price - value)
    held = pd.DataFrame({"sold_at": later["sold_at"].to_numpy(), "off": off})
    for at, level in enumerate(LEVELS):
        held[f"{level:.0%}"] = off <= told.reach[:, at]
    held["sold_at"] = pd.to_datetime(held["sold_at"], utc=True)
    return held[held["sold_at"] >= month.begin]


def _coverage(some: pd.DataFrame, **names: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        **names,
        "n": len(some),
        "MdAPE": 100 * float(np.expm1(some["off"]).median()),
    }
    for level in ("80%", "95%"):
        share = 100 * float(some[level].mean())
        found[level] = [share, *share_interval(share, len(some))]
    return found


def plot(name: str, found: dict[str, Any], into: Path) -> None:
    """Draw AUC by month, or coverage by quarter with its allowed band."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "hki"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.2))
    if "months" in found:
        for who in ("loop", "newest", "frozen"):
            axes.plot(
                [m["month"] for m in found["months"]],
                [m[who] for m in found["months"]],
                "o-",
                label=who,
            )
        axes.set_ylabel("AUC within the month")
    else:
        for who, mark in (("loop", "o-"), ("frozen", "x--")):
            quarters = [each for each in found["quarters"] if each["who"] == who]
            for level in ("80%", "95%"):
                axes.plot([q["quarter"] for q in quarters], [q[level][0] for q in quarters], mark,
                          label=f"{who}, {level}")  # fmt: skip
        for level in (80, 95):
            axes.axhspan(level - ALLOWED, level + ALLOWED, alpha=0.15)
        axes.set_ylabel("intervals that hold, %")
    axes.set_title(name.replace("_", " "))
    axes.legend(fontsize=7)
    axes.tick_params(axis="x", labelsize=7)
    figure.tight_layout()
    figure.savefig(into / f"loop_{name}.svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Run what is asked for."""
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    asked.add_argument("names", nargs="+", choices=list(FILES))
    asked.add_argument("--json", type=Path)
    asked.add_argument("--plots", type=Path)
    args = asked.parse_args()
    every: dict[str, Any] = {}
    for name in args.names:
        path = load_settings().real_data / FILES[name]
        found = bank_marketing(path) if name == "bank_marketing" else city(name, path)
        every[name] = found
        print(json.dumps({name: found}, indent=1), flush=True)
        if args.plots is not None:
            plot(name, found, args.plots)
        if args.json is not None:
            args.json.write_text(json.dumps(every, indent=1) + "\n")


if __name__ == "__main__":
    main()
