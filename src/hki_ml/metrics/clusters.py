"""Intervals where rows belong together: whole clusters are drawn, never single rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.metrics.table import Figure

FloatArray = NDArray[np.float64]


def clustered(
    measure: Callable[[FloatArray], float], clusters: Sequence[Hashable] | NDArray[Any], *,
    seed: int = 0, draws: int = 200,
) -> Figure:  # fmt: skip
    """Return a measure with the 95 % percentile interval over drawn clusters (Field & Welsh 2007).

    Parameters
    ----------
    measure
        From how often each row counts, shape ``(n,)``, to the figure.
    clusters
        Which cluster each row belongs to, shape ``(n,)``: the landmarks of one lead are one cluster.
    """
    names, place = np.unique(np.asarray(clusters), return_inverse=True)
    value = measure(np.ones(len(place)))
    random = np.random.default_rng(seed)
    found = np.empty(draws)
    for draw in range(draws):
        drawn = random.integers(0, len(names), len(names))
        found[draw] = measure(np.bincount(drawn, minlength=len(names)).astype(np.float64)[place])
    low, high = np.nanquantile(found, [0.025, 0.975])
    return Figure(value, float(low), float(high))
