"""Many homes' values at once, each as of its own day: what other models read as a feature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from hki_ml.models.valuation.appraiser import FEWEST_COMPARABLES, HIGHEST_FSD
from hki_ml.models.valuation.homes import day_numbers
from hki_ml.models.valuation.predict import Valuer


def estimates(valuer: Valuer, homes: pd.DataFrame, as_of: pd.Series) -> pd.DataFrame:
    """Return ``value_usd``, ``fsd`` and ``comparables_count`` of each home as of its day.

    The market is that known at the start of the day's month, comparables are sales before it. Where
    there would be no estimate (FSD above 25 %, fewer than three comparables, no earlier sale at all)
    the value and FSD are NaN.

    Parameters
    ----------
    homes
        Columns of a home (``tables.FACTS`` and ``extra_…``), shape ``(n, k)``.
    as_of
        Aware moments on the same index.
    """
    found = pd.DataFrame(
        {"value_usd": np.nan, "fsd": np.nan, "comparables_count": 0}, index=homes.index
    )
    months = as_of.dt.tz_convert("UTC").dt.tz_localize(None).dt.to_period("M").dt.start_time
    first = int(valuer.core.book.homes.day[0])
    for start, rows in months.groupby(months).groups.items():
        day = int(day_numbers(pd.Series([start]).dt.tz_localize("UTC"))[0])
        if day <= first:
            continue
        is_past = day < valuer.core.evidence.until
        known = replace(valuer, core=valuer.core.as_of(day)) if is_past else valuer
        said = known.predict(homes.loc[rows], pd.Timestamp(start, tz="UTC"))
        count = said["comparables"].map(len)
        is_sure = (said["fsd"] <= HIGHEST_FSD) & (count >= FEWEST_COMPARABLES)
        found.loc[rows, "value_usd"] = said["value_usd"].where(is_sure)
        found.loc[rows, "fsd"] = said["fsd"].where(is_sure)
        found.loc[rows, "comparables_count"] = count
    return found
