"""The first place upstream that moved: daily counts and values of every source, and when each changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]
LEAST_SCORE = (
    12.0  # log-likelihood that a change must gain; about 1 in 10,000 quiet series of 90 days
)
LEAST_RATIO = 2.0  # rates that differ by less are weather
LEAST_DAYS = 2


@dataclass(frozen=True, slots=True)
class Change:
    """A change of level: ``place`` is the first day of the new one, ``score`` its log-likelihood gain."""

    place: int
    before: float
    after: float
    score: float


@dataclass(frozen=True, slots=True)
class Upstream:
    """What moved first: ``source`` and what it sends, since when, from how many a day to how many."""

    source: str
    what: str
    since: datetime
    before: float
    after: float

    def __str__(self) -> str:
        """Return e.g. ``source crm stopped sending lead.replied on 2026-03-03 (12.1 a day before)``."""
        day = f"{self.since:%Y-%m-%d}"
        if self.after < 0.05 * self.before:
            return (
                f"source {self.source} stopped sending {self.what} on {day} "
                f"({self.before:.1f} a day before)"
            )
        word = "fewer" if self.after < self.before else "more"
        return (
            f"source {self.source} sends {word} {self.what} since {day} "
            f"({self.before:.1f} a day before, {self.after:.1f} since)"
        )


def count_change(counts: FloatArray) -> Change | None:
    """Return where daily counts changed their rate, by the likelihood of one Poisson rate against two.

    The gain is divided by the dispersion within the two parts, so that bursts are no change. ``None``
    if no split is clear enough or the rates differ by less than twofold.

    Examples
    --------
    >>> count_change(np.array([9.0, 11.0, 10.0, 8.0, 12.0, 0.0, 0.0, 0.0])).place
    5
    """
    n, total = len(counts), counts.sum()
    if n < 2 * LEAST_DAYS or total <= 0:
        return None
    split = np.arange(LEAST_DAYS, n - LEAST_DAYS + 1)
    first = np.cumsum(counts)[split - 1]
    rates = first / split, (total - first) / (n - split)
    gain = _xlogx(rates[0]) * split + _xlogx(rates[1]) * (n - split) - _xlogx(total / n) * n
    best = int(np.argmax(gain))
    place = int(split[best])
    before, after = float(rates[0][best]), float(rates[1][best])
    fitted = np.where(np.arange(n) < place, before, after)
    noise = float(((counts - fitted) ** 2 / np.maximum(fitted, 0.1)).sum() / (n - 2))
    score = float(gain[best]) / max(noise, 1.0)
    low, high = sorted((before, after))
    if score < LEAST_SCORE or high < LEAST_RATIO * max(low, 1e-9):
        return None
    return Change(place, before, after, score)


def value_change(values: FloatArray) -> Change | None:
    """Return where a series of values (in time order) changed its level, by the largest rank sum.

    Pettitt 1979 (doi 10.2307/2346729), whose p-value is exp(-score); ranks, so that no outlier is
    taken for a change. ``before`` and ``after`` are medians.
    """
    n = len(values)
    if n < 20:
        return None
    ranks = rankdata(values)
    at = np.arange(1, n)
    u = 2 * np.cumsum(ranks)[:-1] - at * (n + 1)
    # Where values are tied (a column gone constant) the ranks vary less than Pettitt's n^2/12 says.
    spread = float(ranks.var()) * 12 / (n * n)
    if spread <= 0:
        return None
    place = int(np.argmax(np.abs(u))) + 1
    score = 6 * float(u[place - 1]) ** 2 / (n**3 + n**2) / spread
    if score < LEAST_SCORE:
        return None
    return Change(place, float(np.median(values[:place])), float(np.median(values[place:])), score)


def first_moved(
    daily: Mapping[tuple[str, str], pd.Series], *, since: datetime | None = None
) -> Upstream | None:
    """Return the source and event type whose daily counts changed first, or ``None`` if none did.

    Of changes on days next to each other the clearer one is named.

    Parameters
    ----------
    daily
        (source, event type) → rows a day, indexed by day (UTC) without gaps.
    since
        Changes before it are old news.
    """
    found: list[tuple[Change, Upstream]] = []
    for (source, what), counts in daily.items():
        change = count_change(_without_rhythm(counts))
        if change is None:
            continue
        day = counts.index[change.place].to_pydatetime()
        if since is None or day >= since:
            found.append((change, Upstream(source, what, day, change.before, change.after)))
    if not found:
        return None
    earliest = min(each.since for _, each in found)
    near = [pair for pair in found if (pair[1].since - earliest).days <= 1]
    return max(near, key=lambda pair: pair[0].score)[1]


def daily_counts(
    events: pd.DataFrame, *, first: datetime, last: datetime
) -> dict[tuple[str, str], pd.Series]:
    """Return how many events of each source and type occurred on each whole day of ``[first, last)``.

    Parameters
    ----------
    events
        ``source``, ``event_type``, ``occurred_at``.
    """
    days = pd.date_range(first, last, freq="D", inclusive="left", normalize=True, tz=None)
    day = events["occurred_at"].dt.floor("D")
    counted = events.groupby(["source", "event_type", day]).size()
    wide = counted.unstack([0, 1], fill_value=0).reindex(days, fill_value=0).astype(float)
    return {(str(pair[0]), str(pair[1])): wide[pair] for pair in wide.columns}


def _without_rhythm(counts: pd.Series) -> FloatArray:
    """Return daily counts evened over the days of the week, if four weeks tell how they differ."""
    values = counts.to_numpy(np.float64)
    if len(values) < 28:
        return values
    weekday = pd.DatetimeIndex(counts.index).dayofweek.to_numpy()
    half = len(values) // 2  # a stop late in the series must not shape the rhythm
    usual = np.array([np.median(values[:half][weekday[:half] == day]) for day in range(7)])
    if usual.min() <= 0:
        return values
    return np.asarray(values * usual.mean() / usual[weekday], np.float64)


def _xlogx(rate: FloatArray | float) -> FloatArray:
    r = np.asarray(rate, np.float64)
    return np.where(r > 0, r * np.log(np.maximum(r, 1e-300)), 0.0)
