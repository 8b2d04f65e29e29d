"""The backtest: learn what was known before a cut-off, value what sold after it, compare.

Two regimes, always side by side. ``strict``: nothing after the cut-off is known at all. ``as_known``:
the model stays frozen, and a sale may lean on others recorded strictly before it, as in production.
"""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.intervals import LEVELS, weighted_quantile
from hki_ml.learning.split import split_in_time
from hki_ml.metrics.table import Figure, Row, Table
from hki_ml.models.valuation.calibration import Calibration, Seen, frozen
from hki_ml.models.valuation.challengers import boosting_alone
from hki_ml.models.valuation.core import SaleBook
from hki_ml.models.valuation.ensemble import Effort
from hki_ml.models.valuation.homes import FloatArray
from hki_ml.models.valuation.judging import (
    MEASURES,
    Judged,
    area_rows,
    full_row,
    has_estimate,
    tier_rows,
)
from hki_ml.models.valuation.predict import Valuer, follow, reach_of
from hki_ml.models.valuation.train import train

BoolArray = NDArray[np.bool_]
ORDER = ("overall", "side by side", "by price tier", "by area")
LEGEND = (
    "as_known: the model is frozen, a sale may lean on sales recorded strictly before its day, as in use\n"
    "strict: nothing after the cut-off is known at all\n"
    "in percent: MAPE MdAPE PPE cover width (of the interval, as a share of the value); [95 % interval]\n"
    "split: the width of plain split conformal intervals from the same sales"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a backtest is run.

    Attributes
    ----------
    cutoff, until
        Test sales lie in ``[cutoff, until)``.
    seed
        Of training and of the bootstrap.
    step_days
        How often index and widths learn from what has come in; ``None`` is each calendar month.
    lag_days
        Days until a sale is on record and may be leaned on.
    """

    cutoff: pd.Timestamp
    until: pd.Timestamp | None = None
    seed: int = 0
    step_days: int | None = 7
    lag_days: int = 0


@dataclass(frozen=True, slots=True)
class Backtest:
    """The result; ``str`` prints it, `as_json` keeps it.

    ``valuer`` is what was judged; ``predictions`` has a row a measured sale: what was said of it by
    what was known at its time.
    """

    tables: tuple[Table, ...]
    seconds: float
    peak_memory_gb: float
    valuer: Valuer
    predictions: pd.DataFrame

    def row(self, title: str, name: str) -> Row:
        """Return one line of one table."""
        table = next(table for table in self.tables if table.title == title)
        return next(row for row in table.rows if row.name == name)

    def __str__(self) -> str:
        """Return all tables, then time and memory."""
        cost = f"{self.seconds:.1f} s to train, {self.peak_memory_gb:.2f} GB at most"
        order = sorted(self.tables, key=lambda table: ORDER.index(table.title.split(", ")[0]))
        return "\n\n".join([*map(str, order), LEGEND, cost])

    def as_json(self) -> dict[str, object]:
        """Return everything for a JSON file."""
        return {
            **{table.title: table.as_json() for table in self.tables},
            "train_seconds": self.seconds,
            "peak_memory_gb": self.peak_memory_gb,
            "note": dict(self.valuer.note),
        }


def backtest(
    sales: pd.DataFrame,
    terms: Terms,
    *,
    judged: pd.Series | None = None,
    effort: Effort | None = None,
) -> Backtest:
    """Train before the cut-off, value the sales after it in both regimes, and challengers beside.

    ``judged`` marks the sales to be measured (default: all); others after the cut-off still stand as
    evidence once they are recorded.

    Raises
    ------
    NotEnoughData
        If there is too little on either side of the cut-off.
    """
    effort = effort or Effort()
    split = split_in_time(sales["sold_at"], cutoff=terms.cutoff, until=terms.until)
    started = time.perf_counter()
    valuer = train(sales[split.teach], as_of=terms.cutoff, seed=terms.seed, effort=effort)
    seconds = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    later, measured = _later(sales, split.test, judged)
    if not measured.any():
        raise NotEnoughData("expected sales to measure after the cut-off, got none")
    regimes = {
        "as_known": _as_known(valuer, later, terms),
        "strict": _strict(valuer, later),
    }
    alone = boosting_alone(valuer.core.book, later.homes, seed=terms.seed, effort=effort)
    tables: list[Table] = []
    for name, (seen, reach) in regimes.items():
        tables += _regime_tables(
            name, valuer, later, measured, seen=seen, reach=reach, seed=terms.seed
        )
        tables.append(_side_by_side(name, valuer, later, measured, seen=seen, alone=alone))
    said = _predictions(valuer, later, *regimes["as_known"])[measured]
    return Backtest(tuple(tables), seconds, memory, valuer, said.reset_index(drop=True))


def _predictions(valuer: Valuer, later: SaleBook, seen: Seen, reach: FloatArray) -> pd.DataFrame:
    value = np.exp(_log_value(valuer.calibration, seen))
    columns = {
        "sale_id": later.sale_id.astype(str),
        "sold_at": pd.to_datetime(later.homes.day, unit="D", utc=True),
        "price_usd": np.exp(later.log_price),
        "value_usd": value,
    }
    for j, level in enumerate(LEVELS):
        name = round(100 * level)
        columns[f"p{name}_low_usd"] = value * np.exp(-reach[:, j])
        columns[f"p{name}_high_usd"] = value * np.exp(reach[:, j])
    return pd.DataFrame(columns)


def _later(
    sales: pd.DataFrame, test: BoolArray, judged: pd.Series | None
) -> tuple[SaleBook, BoolArray]:
    """Return test sales in order of time and which of them are measured.

    Those that a screen would refuse are measured all the same, unless they have no price at all:
    a test set is not cleaned by the model under test.
    """
    frame = sales.assign(_measured=True if judged is None else judged.to_numpy())[test]
    priced = (
        np.isfinite(frame["price_usd"].to_numpy(np.float64)) & (frame["price_usd"] > 0).to_numpy()
    )
    frame = frame[priced].sort_values(["sold_at", "sale_id"], kind="stable").reset_index(drop=True)
    return SaleBook.of(frame), frame["_measured"].to_numpy(bool)


def _as_known(valuer: Valuer, later: SaleBook, terms: Terms) -> tuple[Seen, FloatArray]:
    told = follow(
        valuer.core, valuer.calibration, later, step_days=terms.step_days, lag_days=terms.lag_days
    )
    return told.seen, told.reach


def _strict(valuer: Valuer, later: SaleBook) -> tuple[Seen, FloatArray]:
    seen = frozen(valuer.core, later)
    until = valuer.core.evidence.until
    return seen, reach_of(valuer.calibration, valuer.widths, seen, later, until=until)


def _log_value(calibration: Calibration, seen: Seen) -> FloatArray:
    return calibration.blend.log_value(seen.base, seen.members, seen.level)


def _regime_tables(
    name: str, valuer: Valuer, later: SaleBook, measured: BoolArray, *,
    seen: Seen, reach: FloatArray, seed: int,
) -> list[Table]:  # fmt: skip
    said = Judged(
        np.exp(later.log_price), np.exp(_log_value(valuer.calibration, seen)), reach,
        later.homes.category("area"), has_estimate(reach, seen.alike),
    ).take(measured)  # fmt: skip
    overall = full_row("all", said, seed=seed)
    split = _split_conformal(valuer.calibration)
    overall.figures.update(
        {f"width{round(100 * level)} split": Figure(w) for level, w in split.items()}
    )
    rows = [overall]
    if said.hit.any():
        rows.append(full_row("with an estimate", said.take(said.hit), seed=seed))
    tables = [Table(f"overall, {name}", rows, is_tall=True)]
    by_area = area_rows(said)
    if by_area:
        tables.append(Table(f"by area, {name}", by_area))
    tables.append(Table(f"by price tier, {name}", tier_rows(said)))
    return tables


def _split_conformal(calibration: Calibration) -> dict[float, float]:
    """Return widths of plain split conformal: one reach for all homes, from the same later sales."""
    error = calibration.errors
    reach = {level: weighted_quantile(error, np.ones(len(error)), level) for level in LEVELS}
    return {level: float(200 * np.sinh(r)) for level, r in reach.items()}


def _side_by_side(
    name: str,
    valuer: Valuer,
    later: SaleBook,
    measured: BoolArray,
    *,
    seen: Seen,
    alone: FloatArray,
) -> Table:
    price = np.exp(later.log_price)
    net_and_forest = 0.5 * (seen.members[:, 1] + seen.members[:, 2])
    logs = {
        "ours": _log_value(valuer.calibration, seen),
        "LightGBM alone": alone,
        "RandomForest + network": seen.base + net_and_forest,
        "comparables alone": seen.base + seen.comparables,
        "boosted member": seen.base + seen.members[:, 0],
        "forest member": seen.base + seen.members[:, 1],
        "network member": seen.base + seen.members[:, 2],
    }
    rows = [
        Row(who, int(measured.sum()), {
            k: Figure(m(price[measured], np.exp(log)[measured])) for k, m in MEASURES.items()
        })
        for who, log in logs.items()
    ]  # fmt: skip
    return Table(f"side by side, {name}", rows)
