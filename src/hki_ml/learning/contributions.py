"""Contributions that add up: Shapley values of groups of facts, of the whole model and of any model.

A group's contribution is its average effect on the answer when it is switched from a reference (an
area's typical home, a comparable) to the subject, over the orders in which groups can be switched
(Shapley 1953). What is switched is the model's whole input, so the
sums hold for an ensemble of unlike members as for one tree.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def coalitions(groups: int) -> Booleans:
    """Return every coalition of the groups, shape (2**groups, groups); row 0 is the empty one.

    Examples
    --------
    >>> coalitions(2).astype(int).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    numbers = np.arange(2**groups)[:, None]
    members: Booleans = (numbers >> np.arange(groups)) & 1 == 1
    return members


def shapley(worth: Floats) -> Floats:
    """Return each group's exact Shapley value; they sum to ``worth[-1] - worth[0]``.

    Parameters
    ----------
    worth
        The answer under each row of ``coalitions``, shape (2**groups,).

    Examples
    --------
    Two groups that are worth something only together share it evenly.

    >>> shapley(np.array([0.0, 0.0, 0.0, 10.0])).tolist()
    [5.0, 5.0]
    """
    groups = int(np.log2(len(worth)))
    numbers = np.arange(len(worth))
    sizes = coalitions(groups).sum(axis=1)
    weights = np.array(
        [factorial(k) * factorial(groups - k - 1) / factorial(groups) for k in range(groups)]
        + [0.0]
    )
    values = np.empty(groups)
    for group in range(groups):
        without = numbers[(numbers >> group) & 1 == 0]
        gain = worth[without | (1 << group)] - worth[without]
        values[group] = np.sum(weights[sizes[without]] * gain)
    return values


def split_ratio(start: float, logs: Floats) -> Floats:
    """Return what each factor of a product adds in money; they sum to ``start·(e^Σlogs - 1)``.

    The logarithmic-mean split (Ang 2004): each part is its log times the logarithmic mean of both
    ends, so no order of the factors is preferred and nothing is left over.

    Parameters
    ----------
    start
        The amount before all factors.
    logs
        Natural logs of the factors, shape (k,).

    Examples
    --------
    Two equal factors that double an amount together add half of it each.

    >>> split_ratio(100.0, np.log([2.0, 2.0]) / 2).tolist()
    [50.0, 50.0]
    """
    total = float(logs.sum())
    mean = start if abs(total) < 1e-12 else start * np.expm1(total) / total
    parts: Floats = logs * mean
    return parts
