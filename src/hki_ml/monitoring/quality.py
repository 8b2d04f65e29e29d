"""What is wrong with data before any model sees them: each a sentence with its count and since when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.monitoring.check import Check, Rules, unknown

FloatArray = NDArray[np.float64]
RULES = Rules()
FACTORS: Mapping[str, float] = {
    "x 100": 100.0,
    "x 1,000": 1000.0,
    "/ 100": 0.01,
    "sqm for sqft": 0.0929,
}
NEAR = 0.25  # of a factor's logarithm: how near a jump comes to a factor to be named by it
WIDE = 10.0  # interquartile ranges beyond the quartiles: what no honest row has been
MOST_BY_CHANCE = 0.05  # empty days to be expected among those looked at, before one is news
CLOCK = timedelta(minutes=5)  # what clocks may differ by


def outliers(
    name: str, reference: FloatArray, current: FloatArray, *, rules: Rules = RULES
) -> Check:
    """Return the share of values far outside the reference's range, by the fences of its quartiles."""
    before, now = (each[np.isfinite(each)] for each in (reference, current))
    if min(len(before), len(now)) < rules.least_rows:
        return unknown("data_quality", f"outliers:{name}", len(now), f"{len(now)} values")
    first, third = np.quantile(before, [0.25, 0.75])
    wide = WIDE * max(third - first, 1e-9)
    low, high = first - wide, third + wide
    usual, share = (float(((each < low) | (each > high)).mean()) for each in (before, now))
    few = float(np.sqrt(max(usual, 1 / len(before)) / len(now)))
    signal = share > usual + 0.01 and share > usual + 4 * few
    return Check(
        "data_quality", f"outliers:{name}", len(now), value=share, reference=usual,
        threshold=usual + 0.01, raw_signal=share > usual, signal=signal,
        at_once=signal and share > 0.05, detail={"low": float(low), "high": float(high)},
    )  # fmt: skip


def units(name: str, reference: FloatArray, current: FloatArray, *, rules: Rules = RULES) -> Check:
    """Return whether a part of positive amounts jumped by a factor that a wrong unit explains.

    Compares the logarithms of the 10 % to 90 % quantiles; a file of which half is x 100 moves the
    upper ones. The detail names the unit.
    """
    before, now = (each[np.isfinite(each) & (each > 0)] for each in (reference, current))
    if min(len(before), len(now)) < rules.least_rows:
        return unknown("data_quality", f"units:{name}", len(now), f"{len(now)} positive values")
    levels = np.linspace(0.1, 0.9, 9)
    jump = np.quantile(np.log(now), levels) - np.quantile(np.log(before), levels)
    named = {
        unit: float((np.abs(jump - np.log(factor)) < NEAR * abs(np.log(factor))).mean())
        for unit, factor in FACTORS.items()
    }
    unit, share = max(named.items(), key=lambda each: each[1])
    spread = float(np.log(before).std())
    signal = share >= 0.3 and float(np.abs(jump).max()) > 4 * spread
    largest = float(np.exp(jump[np.argmax(np.abs(jump))]))
    return Check(
        "data_quality", f"units:{name}", len(now), value=largest, reference=1.0,
        threshold=float(np.exp(4 * spread)), raw_signal=share > 0, signal=signal, at_once=signal,
        detail={"unit": unit if signal else None, "quantiles_at_it": share},
    )  # fmt: skip


def freshness(name: str, newest: datetime | None, now: datetime, *, allowed: timedelta) -> Check:
    """Return how many hours old the newest row is; nothing at all is unknown, not fresh."""
    if newest is None:
        return unknown("data_quality", f"freshness:{name}", 0, "nothing ever came")
    hours, line = ((each / timedelta(hours=1)) for each in (now - newest, allowed))
    return Check(
        "data_quality", f"freshness:{name}", 1, value=hours, threshold=line,
        raw_signal=hours > line, signal=hours > line, at_once=hours > line,
    )  # fmt: skip


def duplicates(name: str, rows: pd.DataFrame, *, keys: list[str], allowed: float = 0.01) -> Check:
    """Return the share of rows that say again what another said under another id."""
    if rows.empty:
        return unknown("data_quality", f"duplicates:{name}", 0, "no rows")
    share = float(rows.duplicated(keys).mean())
    is_off = share > allowed and len(rows) >= 20
    return Check(
        "data_quality", f"duplicates:{name}", len(rows), value=share, threshold=allowed,
        raw_signal=share > 0, signal=is_off, at_once=is_off,
    )  # fmt: skip


def future_times(name: str, moments: pd.Series, now: datetime) -> Check:
    """Return how many moments lie in the future, beyond what clocks differ by."""
    if moments.empty:
        return unknown("data_quality", f"future:{name}", 0, "no rows")
    ahead = int((moments > pd.Timestamp(now + CLOCK)).sum())
    return Check(
        "data_quality", f"future:{name}", len(moments), value=float(ahead), threshold=0.0,
        raw_signal=ahead > 0, signal=ahead > 0, at_once=ahead > 0,
    )  # fmt: skip


def empty_days(name: str, counts: pd.Series) -> Check:
    """Return the days on which a source that sends daily sent nothing; nothing is filled in for them.

    Parameters
    ----------
    counts
        Rows a whole day, days in order and without gaps (UTC).
    """
    usual = float(counts.median()) if len(counts) else 0.0
    if len(counts) < 7 or usual < 5:  # a Poisson day of mean 5 is empty once in 150
        why = f"{len(counts)} days with {usual:g} rows in the middle, expected 7 with 5"
        return unknown("data_quality", f"empty_days:{name}", len(counts), why)
    chance = _chance_of_none(counts.to_numpy(np.float64))
    if chance * len(counts) > MOST_BY_CHANCE:
        why = f"rows come in bursts: a day without any has a chance of {chance:.2g}"
        return unknown("data_quality", f"empty_days:{name}", len(counts), why)
    empty = [f"{day:%Y-%m-%d}" for day in counts.index[counts == 0]]
    # Days of which so many are empty in any week are days off, e.g. Sundays.
    weekday = pd.DatetimeIndex(counts.index).dayofweek
    off = {day for day in range(7) if (counts[weekday == day] == 0).mean() > 0.5}
    if len(counts) >= 21:
        empty = [day for day in empty if pd.Timestamp(day).dayofweek not in off]
    return Check(
        "data_quality", f"empty_days:{name}", len(counts), value=float(len(empty)), threshold=0.0,
        raw_signal=bool(empty), signal=bool(empty), at_once=bool(empty), detail={"days": empty},
    )  # fmt: skip


def _chance_of_none(counts: FloatArray) -> float:
    """Return how likely a day without rows is, if rows come in bursts as they do on days with any.

    Bursts of one size at one rate (compound Poisson): the mean squared over the variance is the rate.
    """
    seen = counts[counts > 0]
    mean, variance = float(seen.mean()), float(seen.var())
    return float(np.exp(-(mean**2) / max(variance, mean)))
