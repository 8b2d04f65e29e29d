"""Training: from sales to a valuer, by what was known before one moment only."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from hki_ml.errors import NotEnoughData
from hki_ml.learning.intervals import learn_widths
from hki_ml.models.valuation.calibration import calibrate, last_stretch
from hki_ml.models.valuation.core import Core, SaleBook, fit_core
from hki_ml.models.valuation.ensemble import MEMBERS, Effort
from hki_ml.models.valuation.homes import day_number
from hki_ml.models.valuation.labels import screen
from hki_ml.models.valuation.predict import Valuer

FEWEST_SALES = 200


def train(
    sales: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    seed: int = 0,
    effort: Effort | None = None,
    first: Core | None = None,
) -> Valuer:
    """Train on sales strictly before ``as_of`` (canonical sale frame).

    The latest stretch calibrates a first model that has not seen it; the final model learns from
    all sales and keeps that calibration. Same sales and seed, same valuer. ``first`` is a core that
    was learned from the earlier of these sales already, if there is one.

    Raises
    ------
    NotEnoughData
        With fewer than 200 usable sales, or if all are of one day.
    """
    effort = effort or Effort()
    screened = screen(sales, as_of=as_of)
    if len(screened.kept) < FEWEST_SALES:
        raise NotEnoughData(
            f"expected at least {FEWEST_SALES} usable sales before {as_of:%Y-%m-%d}, "
            f"got {len(screened.kept)} of {len(sales)}"
        )
    book = SaleBook.of(screened.kept)
    cut = last_stretch(book.homes.day) if first is None else first.evidence.until
    held = book.homes.day >= cut
    if held.all():
        raise NotEnoughData("expected sales of at least two different days, got one")
    if first is None:
        first = fit_core(book.take(~held), seed=seed, effort=_lighter(effort))
    calibration = calibrate(first, book.take(held), seed=seed, threads=effort.threads)
    core = fit_core(book, seed=seed, effort=effort)
    reasons = screened.quarantined["reason"].value_counts().sort_index()
    return Valuer(
        core,
        calibration,
        learn_widths(calibration.outcomes, as_of=day_number(as_of)),
        {
            "seed": seed,
            "as_of": as_of.strftime("%Y-%m-%d"),
            "sales": len(core.book),
            "calibration_sales": int(held.sum()),
            "unusual_prices": len(book) - len(core.book),
            "quarantined": {str(k): int(v) for k, v in reasons.items()},
            "weights": dict(
                zip(MEMBERS, np.round(calibration.blend.weights, 2).tolist(), strict=True)
            ),
        },
    )


def _lighter(effort: Effort) -> Effort:
    """Return the effort for the first model, which only has to err like the final one."""
    return replace(effort, networks=1, forest_trees=max(effort.forest_trees * 2 // 3, 10))
