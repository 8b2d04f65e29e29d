"""How well leads of a source closed, as known at any moment: rates with n, shrunk to all leads' rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HORIZON_DAYS = 90.0
LATEST = 2_000  # of a source: old enough leads say nothing of what it brings today
LATEST_OF_ALL = 1_000
SHRINKAGE_LEADS = 50.0  # a source with 50 matured leads is believed half
ALL = -1


@dataclass(frozen=True, slots=True)
class CloseRates:
    """What became of matured leads, in the order in which it was known.

    Attributes
    ----------
    known_us
        When each piece was known, by source; microseconds since 1970.
    leads, closed
        Running sums by source, a leading 0 each.
    """

    known_us: dict[int, IntArray]
    leads: dict[int, FloatArray]
    closed: dict[int, FloatArray]
    sources: dict[str | None, int]

    @classmethod
    def of(cls, leads: pa.Table, *, horizon_days: float = HORIZON_DAYS) -> CloseRates:
        """Return the rates behind a table of leads: a lead counts once its horizon has passed."""
        known: pd.DataFrame = leads.select(
            [
                "created_at",
                "created_known_at",
                "lead_source",
                "outcome",
                "ended_at",
                "ended_known_at",
            ]
        ).to_pandas()
        names = {
            name: code
            for code, name in enumerate(sorted(set(leads["lead_source"].to_pylist()), key=str))
        }
        code = (
            known["lead_source"]
            .map(lambda s: names[s if isinstance(s, str) else None])
            .to_numpy(np.int64)
        )
        horizon = pd.Timedelta(days=horizon_days)
        matured = np.maximum(_us(known["created_at"] + horizon), _us(known["created_known_at"]))
        closed = (known["outcome"] == "closed") & (
            known["ended_at"] <= known["created_at"] + horizon
        )
        closed_us = np.maximum(matured, _us(known["ended_known_at"].fillna(known["created_at"])))
        is_closed = closed.to_numpy()
        moment = np.concatenate([matured, closed_us[is_closed]])
        source = np.concatenate([code, code[is_closed]])
        lead = np.concatenate([np.ones(len(code)), np.zeros(int(is_closed.sum()))])
        order = np.argsort(moment, kind="stable")
        return cls(*_running(moment[order], source[order], lead[order]), names)

    def read(
        self, source: IntArray, at_us: IntArray, *, latest: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return how many leads of each source had matured strictly before a moment, and how many closed."""
        n, closed = np.zeros(len(source)), np.zeros(len(source))
        for key in np.unique(source):
            if int(key) not in self.known_us:
                continue
            mine = source == key
            end = np.searchsorted(self.known_us[int(key)], at_us[mine], side="left")
            begin = np.maximum(end - latest, 0)
            n[mine] = self.leads[int(key)][end] - self.leads[int(key)][begin]
            closed[mine] = self.closed[int(key)][end] - self.closed[int(key)][begin]
        return n, closed


def _us(times: pd.Series) -> IntArray:
    return times.astype("datetime64[us, UTC]").to_numpy("datetime64[us]").astype(np.int64)


def _running(
    moment: IntArray, source: IntArray, lead: FloatArray
) -> tuple[dict[int, IntArray], dict[int, FloatArray], dict[int, FloatArray]]:
    known: dict[int, IntArray] = {}
    leads: dict[int, FloatArray] = {}
    closed: dict[int, FloatArray] = {}
    for key in (ALL, *np.unique(source)):
        mine = slice(None) if key == ALL else source == key
        known[int(key)] = moment[mine]
        leads[int(key)] = np.concatenate([[0.0], np.cumsum(lead[mine])])
        closed[int(key)] = np.concatenate([[0.0], np.cumsum(1.0 - lead[mine])])
    return known, leads, closed


@dataclass(frozen=True, slots=True)
class Quality:
    """Rates of each asked row: of its source (shrunk) and of all leads of late, with their n."""

    rate: FloatArray
    n: FloatArray
    overall: FloatArray
    overall_n: FloatArray


def source_quality(rates: CloseRates, source: list[str | None], at_us: IntArray) -> Quality:
    """Return the quality of each row's source as known strictly before its moment.

    A rate is NaN where nothing had matured at all; a source without matured leads has all leads' rate.
    """
    code_of: Callable[[str | None], int] = lambda s: rates.sources.get(s, -2)  # noqa: E731
    code = np.array([code_of(name) for name in source], np.int64)
    n, closed = rates.read(code, at_us, latest=LATEST)
    overall_n, overall_closed = rates.read(np.full(len(code), ALL), at_us, latest=LATEST_OF_ALL)
    with np.errstate(invalid="ignore", divide="ignore"):
        overall = np.where(overall_n > 0, overall_closed / overall_n, np.nan)
    shrunk = (closed + SHRINKAGE_LEADS * overall) / (n + SHRINKAGE_LEADS)
    return Quality(shrunk, n, overall, overall_n)
