"""Rankings side by side: each measure with its 95 % interval over days, and how widely each spreads deals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.metrics.interval import cluster_bootstrap
from hki_ml.metrics.ranking import by_list, exposure
from hki_ml.metrics.table import Figure, Row, Table

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lists:
    """Deals with those who could see each; items of shape ``(n,)``.

    Attributes
    ----------
    of
        The deal of each item, 0, 1, …
    investor
        Whose item it is, 0 … ``investors`` - 1.
    cluster
        What belongs together, of each deal: the day it was shown, the block it lies in.
    """

    of: IntArray
    truth: FloatArray
    investor: IntArray
    investors: int
    cluster: NDArray[Any]


def side_by_side(
    title: str, lists: Lists, scores: Mapping[str, FloatArray], *, seed: int, draws: int
) -> Table:
    """Return a row a model with every measure, its interval, coverage and Gini of the first five."""
    rows = []
    for name, score in scores.items():
        found = by_list(lists.of, lists.truth, score)
        figures = intervals(found, lists.cluster, seed=seed, draws=draws)
        covered, gini = exposure(lists.of, lists.investor, score, of=lists.investors)
        figures |= {"coverage": Figure(covered), "Gini": Figure(gini)}
        rows.append(Row(name, len(lists.cluster), figures))
    return Table(title, rows, is_tall=True)


def intervals(
    found: Mapping[str, FloatArray], cluster: NDArray[Any], *, seed: int, draws: int
) -> dict[str, Figure]:
    """Return the mean of each measure over lists with its interval over drawn clusters."""

    def mean_of(values: FloatArray) -> Any:
        known = ~np.isnan(values)
        return lambda weight: float(
            np.average(values[known], weights=weight[known]) if weight[known].sum() else np.nan
        )

    measures = {name: mean_of(values) for name, values in found.items()}
    ranges = cluster_bootstrap(measures, cluster, seed=seed, draws=draws)
    return {
        name: Figure(float(np.nanmean(values)), *ranges[name]) for name, values in found.items()
    }
