"""The tree against plain search: the same nearest earlier sales, whatever order they are asked in."""

from __future__ import annotations

import numpy as np
import pytest

from hki_ml.models.valuation.neighbours import Tree


@pytest.mark.parametrize("asked", [50, 1_500])
def test_the_nearest_earlier_sales_are_those_of_a_plain_search(asked: int) -> None:
    chance = np.random.default_rng(asked)
    day = np.sort(chance.integers(0, 900, 2_000))
    # A coarse grid makes many equal places, as homes of one ZIP have.
    points = np.column_stack([chance.integers(0, 9, (2_000, 3)) / 3.0, day / 365.0])
    kinds = chance.integers(1, 4, (2_000, 2))
    penalty = np.array([0.5, 1.0])
    tree = Tree.of(points, kinds, penalty, day)
    rows = chance.integers(0, 2_000, asked)
    found, far = tree.nearest(points[rows], kinds[rows], day[rows], count=7)
    for i in range(0, asked, 10):
        row = rows[i]
        apart = ((points - points[row]) ** 2).sum(axis=1) + (kinds != kinds[row]) @ penalty
        apart[day >= day[row]] = np.inf
        best = np.lexsort((np.arange(2_000), apart))[:7]
        best = best[np.isfinite(apart[best])]
        assert found[i, : len(best)].tolist() == best.tolist()
        assert (found[i, len(best) :] == -1).all()
        assert far[i, : len(best)] == pytest.approx(apart[best])
