"""The valuation room's answers to the verbs of the path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from hki_ml.learning.intervals import LEVELS
from hki_ml.learning.judged import HELD, judged
from hki_ml.models.model import Speaker, Target, Trial
from hki_ml.models.valuation import artifact
from hki_ml.models.valuation.core import SaleBook
from hki_ml.models.valuation.ensemble import Effort
from hki_ml.models.valuation.evaluate import Backtest, Terms
from hki_ml.models.valuation.evaluate import backtest as run_backtest
from hki_ml.models.valuation.homes import Homes
from hki_ml.models.valuation.predict import Valuer, follow
from hki_ml.models.valuation.train import train
from hki_ml.tables import EXTRA_PREFIX, FACTS

NAME = "valuation"
SERVICE = "valuation"
TABLES = ("sales", "property_facts")
_ALL = ("overall, as_known", "all")
TARGETS = (
    Target("MAPE, %", (*_ALL, "MAPE"), "design", high=10.0),
    Target("R2", (*_ALL, "R2"), "design", low=0.85),
    Target("coverage of the 95 % interval, %", (*_ALL, "cover95"), "design", low=93.0),
    Target("MdAPE, %", (*_ALL, "MdAPE"), "ours (Seattle)", high=8.0),
    Target("PPE10, %", (*_ALL, "PPE10"), "ours (Seattle)", low=59.0),
    Target("PRB", (*_ALL, "PRB"), "ours", low=-0.03, high=0.03),
    Target("PRD", (*_ALL, "PRD"), "ours", low=0.98, high=1.03),
    Target("COD", (*_ALL, "COD"), "ours", high=12.0),
)

TRIAL_DAYS = 183
SMALLEST_TRIAL, LARGEST_TRIAL = 0.05, 0.25  # of all sales
COVERAGE_TOLERANCE = 0.04  # beyond it, stated intervals are not to be served
ALLOWED_BEHIND = 1.02  # a candidate may be this much worse than one untuned LightGBM


def spine(tables: Mapping[str, pa.Table]) -> pd.DataFrame:
    """Return one row a sale: home, moment, price; its facts are joined as of that moment."""
    columns = ["property_id", "sale_id", "sold_at", "price_usd", "is_arms_length"]
    sales: pd.DataFrame = tables["sales"].select(columns).to_pandas()
    return sales.assign(event_timestamp=sales["sold_at"])


def fit(
    frame: pd.DataFrame, *, as_of: datetime, seed: int, threads: int, trial: Trial | None = None
) -> Valuer:
    """Return a valuer trained on the sales before ``as_of``, calibrated by a trial's if there is one."""
    judged = None if trial is None else trial.judged
    return train(
        canonical(frame),
        as_of=pd.Timestamp(as_of),
        seed=seed,
        effort=Effort(threads=threads),
        first=judged.core if isinstance(judged, Valuer) else None,
    )


def backtest(
    frame: pd.DataFrame, *, cutoff: datetime, until: datetime | None, seed: int, threads: int
) -> Backtest:
    """Train on the sales before ``cutoff`` and judge on those in ``[cutoff, until)``."""
    end = None if until is None else pd.Timestamp(until)
    terms = Terms(pd.Timestamp(cutoff), end, seed=seed)
    return run_backtest(canonical(frame), terms, effort=Effort(threads=threads))


def default_cutoff(frame: pd.DataFrame) -> datetime:
    """Return half a year before the latest sale, within 5 to 25 % of all sales."""
    sold_at = frame["sold_at"]
    wanted = sold_at.max() - pd.Timedelta(days=TRIAL_DAYS)
    earliest, latest = sold_at.quantile([1 - LARGEST_TRIAL, 1 - SMALLEST_TRIAL])
    cutoff: datetime = min(max(wanted, earliest), latest).normalize().to_pydatetime()
    return cutoff


def trial(frame: pd.DataFrame, *, seed: int, threads: int) -> Trial:
    """Train before the last half year and judge on it, by what was known at each sale's own time."""
    cutoff = default_cutoff(frame)
    found = backtest(frame, cutoff=cutoff, until=None, seed=seed, threads=threads)
    overall = found.row("overall, as_known", "all")
    return Trial(
        cutoff=cutoff,
        until=frame["sold_at"].max().to_pydatetime(),
        figures={name.lower(): figure.value for name, figure in overall.figures.items()},
        report=found.as_json(),
        losses=_losses(found.predictions, frame, _held(found.predictions)),
        judged=found.valuer,
    )


def losses(folder: Path, frame: pd.DataFrame, *, since: datetime) -> pd.DataFrame:
    """Return how far off a saved valuer is on sales from ``since`` on, which it has not seen."""
    valuer = artifact.load(folder)
    sales = canonical(frame)
    later = sales[sales["sold_at"] >= since].sort_values(["sold_at", "sale_id"], kind="stable")
    book = SaleBook.of(later.reset_index(drop=True))
    told = follow(valuer.core, valuer.calibration, book, step_days=7)
    seen = told.seen
    value = valuer.calibration.blend.log_value(seen.base, seen.members, seen.level)
    predictions = later.iloc[seen.rows].assign(value_usd=np.exp(value))
    off = np.abs(book.log_price[seen.rows] - value)
    held = {level: off <= told.reach[seen.rows, LEVELS.index(level / 100)] for level in HELD}
    return _losses(predictions, frame, held)


def speaker(folder: Path) -> Speaker:
    """Return the log values that a saved valuer gives homes at the moment of their sale."""
    valuer = artifact.load(folder)
    names = tuple(sorted({*valuer.core.book.homes.numbers, *valuer.core.book.homes.categories}))

    def table(frame: pd.DataFrame) -> pd.DataFrame:
        return canonical(frame).reindex(columns=[*names, "sold_at"])

    def margin(homes: pd.DataFrame) -> NDArray[np.float64]:
        return valuer.value(Homes.of(homes, as_of=homes["sold_at"])).log_value

    return Speaker(names, table, margin, is_odds=False)


def save(fitted: Valuer, folder: Path, *, notes: Mapping[str, object]) -> None:
    """Write the valuer with its manifest and the notes on where it comes from."""
    artifact.save(fitted, folder)
    (folder / "notes.json").write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")


def problems(report: Mapping[str, Any]) -> tuple[str, ...]:
    """Return why a trial forbids promotion: worse than one plain model, or intervals that do not hold."""
    ours = report["side by side, as_known"]["ours"]["MdAPE"]["value"]
    plain = report["side by side, as_known"]["LightGBM alone"]["MdAPE"]["value"]
    overall = report["overall, as_known"]["all"]
    found = []
    if ours > plain * ALLOWED_BEHIND:
        found.append(f"MdAPE: expected at most {plain:.4g} (LightGBM alone), got {ours:.4g}")
    for level in (80, 95):
        share = overall[f"cover{level}"]["value"] / 100
        if abs(share - level / 100) > COVERAGE_TOLERANCE:
            found.append(
                f"coverage of the {level} % intervals: expected within {COVERAGE_TOLERANCE:.0%} of "
                f"it on later sales, got {share:.1%}"
            )
    return tuple(found)


def canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of sales with the further facts of ``extra_json`` as columns of their own."""
    if "extra_json" not in frame:
        return frame
    known = frame["extra_json"].fillna("{}").map(json.loads)
    extra = pd.DataFrame(known.tolist(), index=frame.index).add_prefix(EXTRA_PREFIX)
    columns = ["sale_id", "property_id", "sold_at", "price_usd", "is_arms_length", *FACTS]
    kept = frame[[name for name in columns if name in frame]]
    return pd.concat([kept, extra[sorted(extra.columns)]], axis=1)


def _held(predictions: pd.DataFrame) -> dict[int, NDArray[np.bool_]]:
    """Return whether each interval held its price, by level."""
    price = predictions["price_usd"]
    return {
        level: price.between(
            predictions[f"p{level}_low_usd"], predictions[f"p{level}_high_usd"]
        ).to_numpy(bool)
        for level in HELD
    }


def _losses(
    predictions: pd.DataFrame, frame: pd.DataFrame, held: Mapping[int, NDArray[np.bool_]]
) -> pd.DataFrame:
    """Return absolute log errors, the same for twice and for half the price, and what intervals held."""
    off = np.abs(np.log(predictions["value_usd"]) - np.log(predictions["price_usd"]))
    ids = predictions["sale_id"].astype(str)
    of_sale = frame.assign(sale_id=frame["sale_id"].astype(str)).drop_duplicates("sale_id")
    homes = of_sale.set_index("sale_id").reindex(ids)
    rows = judged(
        example_id=ids,
        happened_at=predictions["sold_at"],
        entity=homes.get("property_id", ids),
        segment=homes.get("area"),
        outcome=predictions["price_usd"],
        loss=off,
    )
    return rows.assign(**{HELD[level]: each for level, each in held.items()})
