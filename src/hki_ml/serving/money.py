"""Whole dollars that still add up: what is shown must reconcile, digit by digit."""

from __future__ import annotations

import math
from collections.abc import Sequence


def dollars(amount_usd: float) -> int:
    """Return the amount in whole dollars, halves away from zero.

    Examples
    --------
    >>> dollars(2.5), dollars(-2.5), dollars(1.4)
    (3, -3, 1)
    """
    return int(math.copysign(math.floor(abs(amount_usd) + 0.5), amount_usd))


def parts(amounts_usd: Sequence[float], total: int) -> list[int]:
    """Return the amounts in whole dollars so that they add up to ``total`` exactly.

    Each is its amount rounded down or up (largest remainders first), so none is off by a dollar or more
    as long as the amounts add up to the total before rounding.

    Raises
    ------
    ValueError
        If the amounts miss the total by more than rounding explains.

    Examples
    --------
    >>> parts([0.4, 0.4, 0.4], 1)
    [1, 0, 0]
    >>> parts([-0.6, 10.6], 10)
    [-1, 11]
    """
    down = [math.floor(amount) for amount in amounts_usd]
    missing = total - sum(down)
    if not -1 <= missing <= len(down) + 1:
        raise ValueError(f"expected parts that add up to {total}, got {math.fsum(amounts_usd):.2f}")
    order = sorted(range(len(down)), key=lambda i: (down[i] - amounts_usd[i], i))
    if not order:
        return []
    step = 1 if missing > 0 else -1
    ranked = order if step > 0 else order[::-1]
    for k in range(abs(missing)):
        down[ranked[k % len(ranked)]] += step
    return down
