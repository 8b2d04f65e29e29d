"""The valuer: values with intervals for any homes as of any moment, and what it learns from later sales."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hki_ml.errors import NotEnoughData
from hki_ml.learning.encoding import keys
from hki_ml.learning.intervals import LEVELS, Debts, Outcomes, Widths, learn_widths
from hki_ml.models.valuation.calibration import Calibration, Seen, spread_inputs, walk
from hki_ml.models.valuation.core import Core, SaleBook
from hki_ml.models.valuation.features import View
from hki_ml.models.valuation.homes import FloatArray, Homes, IntArray, day_number
from hki_ml.models.valuation.labels import screen

_MONTH = 30.4375
COLUMNS = (
    "value_usd",
    *(f"p{round(100 * level)}_{end}_usd" for level in LEVELS for end in ("low", "high")),
    "fsd",
    "comparables",
)


@dataclass(frozen=True, slots=True)
class Values:
    """Values of ``n`` homes: log value, half widths in log (n, levels), and what the models saw."""

    log_value: FloatArray
    reach: FloatArray
    view: View

    @property
    def usd(self) -> FloatArray:
        """The values in USD, shape ``(n,)``."""
        return np.exp(self.log_value)

    @property
    def low_usd(self) -> FloatArray:
        """Lower bounds in USD, shape ``(n, levels)`` in the order of `LEVELS`."""
        return np.exp(self.log_value[:, None] - self.reach)

    @property
    def high_usd(self) -> FloatArray:
        """Upper bounds in USD, shape ``(n, levels)``."""
        return np.exp(self.log_value[:, None] + self.reach)

    @property
    def fsd(self) -> FloatArray:
        """Forecast standard deviation: half the 68 % interval as a share of the value."""
        return np.sinh(self.reach[:, 0])


@dataclass(frozen=True, slots=True)
class Valuer:
    """A trained model. Nothing in it changes: `observe` returns another one that knows more.

    ``note`` says how it was trained (seed, counts, quarantine) and goes into the manifest.
    """

    core: Core
    calibration: Calibration
    widths: Widths
    note: Mapping[str, object]

    def value(self, homes: Homes, *, before: IntArray | None = None) -> Values:
        """Value homes as of their day, by sales strictly before ``before`` (default: that day)."""
        view = self.core.look(homes, before=before)
        return self.value_seen(view, homes)

    def value_seen(self, view: View, homes: Homes) -> Values:
        """Value homes already seen; for what-if questions on many variations of one view."""
        members = self.core.ensemble.members(view, weights=self.calibration.blend.weights)
        inputs = spread_inputs(view, members)
        return Values(
            self.calibration.blend.log_value(view.base, members, view.level),
            self.reach(inputs, homes),
            view,
        )

    def reach(self, inputs: FloatArray, homes: Homes) -> FloatArray:
        """Return half widths (log) by level; they grow with the age of the evidence."""
        stale = np.maximum(homes.day - self.core.evidence.until, 0) / _MONTH
        spread = self.calibration.spreads(inputs) * (1.0 + self.calibration.aging * stale)
        return self.widths.of(keys(homes.category("area"))) * spread[:, None]

    def predict(self, homes: pd.DataFrame, as_of: pd.Timestamp | pd.Series) -> pd.DataFrame:
        """Return `COLUMNS` a home, on the index of ``homes``.

        ``comparables`` holds the sale ids that were used, most similar first. Price, ids and address
        text in ``homes`` are not read.
        """
        if not len(homes):
            return pd.DataFrame({name: [] for name in COLUMNS})
        said = self.value(Homes.of(homes, as_of=as_of))
        out: dict[str, object] = {"value_usd": said.usd}
        for j, level in enumerate(LEVELS):
            out[f"p{round(100 * level)}_low_usd"] = said.low_usd[:, j]
            out[f"p{round(100 * level)}_high_usd"] = said.high_usd[:, j]
        out["fsd"] = said.fsd
        ids = self.core.book.sale_id
        out["comparables"] = [tuple(ids[r[r >= 0]]) for r in said.view.found.rows]
        return pd.DataFrame(out, index=homes.index)

    def observe(self, sales: pd.DataFrame, *, as_of: pd.Timestamp) -> Valuer:
        """Return a valuer that also knows these later sales: as comparables, index and outcomes.

        Weights of the members stay as they are. Sales that are already known are passed over.

        Raises
        ------
        NotEnoughData
            If none of the sales is both new and before ``as_of``.
        """
        kept = screen(sales, as_of=as_of).kept
        new = ~kept["sale_id"].astype(str).isin(set(self.core.book.sale_id.tolist()))
        if not new.any():
            raise NotEnoughData(f"expected new sales before {as_of:%Y-%m-%d}, got none")
        later = SaleBook.of(kept[new].reset_index(drop=True))
        outcomes = follow(self.core, self.calibration, later).outcomes
        day = day_number(as_of)
        return replace(
            self,
            core=self.core.with_sales(later).as_of(day),
            calibration=replace(self.calibration, outcomes=outcomes),
            widths=learn_widths(outcomes, as_of=day).repaying(Debts.of(outcomes, as_of=day)),
        )


@dataclass(frozen=True, slots=True)
class Followed:
    """Later sales as they were valued one day after another: ``reach`` are half widths (log)."""

    seen: Seen
    reach: FloatArray
    outcomes: Outcomes


def follow(
    core: Core, calibration: Calibration, later: SaleBook, *,
    step_days: int | None = None, lag_days: int = 0,
) -> Followed:  # fmt: skip
    """Value later sales in order of time with a frozen model, while evidence and widths keep up.

    Index and widths move on with each step (see `calibration.walk`); what coverage owes is repaid
    from day to day.
    """
    outcomes = calibration.outcomes
    parts: list[Seen] = []
    reach = np.empty((len(later), len(LEVELS)))
    for start, seen in walk(core, later, step_days=step_days, lag_days=lag_days):
        widths = learn_widths(outcomes, as_of=start - lag_days)
        days = later.homes.day[seen.rows]
        for day in np.unique(days):
            today = seen.take(np.flatnonzero(days == day))
            debts = Debts.of(outcomes, as_of=int(day) - lag_days)
            given = reach_of(calibration, widths.repaying(debts), today, later, until=int(day))
            reach[today.rows] = given
            outcomes = outcomes.plus(calibration.judge(today, later, given))
        parts.append(seen)
    whole = Seen.joined(parts)
    return Followed(whole.take(np.argsort(whole.rows, kind="stable")), reach, outcomes)


def reach_of(
    calibration: Calibration, widths: Widths, seen: Seen, book: SaleBook, *, until: int
) -> FloatArray:
    """Return half widths (log) of sales seen in a backtest, shape ``(n, levels)``."""
    stale = np.maximum(book.homes.day[seen.rows] - until, 0) / _MONTH
    spread = calibration.spreads(seen.inputs) * (1.0 + calibration.aging * stale)
    return widths.of(keys(book.homes.category("area")[seen.rows])) * spread[:, None]
