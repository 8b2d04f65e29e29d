"""Contributions that add up: Shapley values of groups of facts, of the whole model and of any model.

A group's contribution is its average effect on the answer when it is switched from a reference (an
area's typical home, a comparable) to the subject, over the orders in which groups can be switched
(Shapley 1953; Owen 1972 for values of coalitions). What is switched is the model's whole input, so the
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


def paths(groups: int) -> Booleans:
    """Return the coalitions along one order and along its reverse, shape (2·(groups+1), groups).

    The cheap stand-in for all coalitions where many references are compared: exact for a model
    without interactions of more than two groups.
    """
    forward = np.tril(np.ones((groups + 1, groups), dtype=bool), -1)
    return np.vstack([forward, forward[:, ::-1]])


def path_contributions(worth: Floats) -> Floats:
    """Return each group's gain averaged over the two orders of ``paths``; they sum to the difference.

    Parameters
    ----------
    worth
        The answer under each row of ``paths``, shape (…, 2·(groups+1)).

    Examples
    --------
    >>> path_contributions(np.array([0.0, 1.0, 3.0, 0.0, 2.0, 3.0])).tolist()
    [1.0, 2.0]
    """
    half = worth.shape[-1] // 2
    forward = np.diff(worth[..., :half], axis=-1)
    backward = np.diff(worth[..., half:], axis=-1)[..., ::-1]
    mean: Floats = (forward + backward) / 2
    return mean
