"""Taste as factors: investors by what they answered, deals placed among them by their content.

Alternating least squares (Hu, Koren and Volinsky 2008, by ``implicit``) over positive answers, weighted by
how strong each is and how long ago it was. A deal that nobody has seen has no factor of its own: a ridge
regression from content to factors places it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.models.investor_matching.deal import Deal

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SIZE = 16
REGULARIZATION = 0.1
ITERATIONS = 15
ALPHA = 4.0  # confidence of one fresh answer against none
RIDGE = 3.0
PRICE_KNOTS = (-1.2, -0.6, 0.0, 0.6, 1.2)  # log of price about the usual one
FEWEST_OF_LEVEL = 5


@dataclass(frozen=True, eq=False)
class Content:
    """How a deal becomes a vector: levels of its words, bumps over its price."""

    levels: dict[str, dict[str, int]]
    usual_price: float
    width: int

    @classmethod
    def of(cls, deals: Sequence[Deal]) -> Content:
        """Return the content of deals whose levels were seen at least five times."""
        levels: dict[str, dict[str, int]] = {}
        width = 1 + len(PRICE_KNOTS)
        for name in ("area", "property_type", "condition", "occupancy"):
            values = [getattr(deal, name) for deal in deals]
            seen = {v: values.count(v) for v in sorted({v for v in values if v is not None})}
            levels[name] = {}
            for value, count in seen.items():
                if count >= FEWEST_OF_LEVEL:
                    levels[name][value] = width
                    width += 1
        prices = [deal.log_price for deal in deals if deal.log_price == deal.log_price]
        return cls(levels, float(np.median(prices)) if prices else 0.0, width)

    def vector(self, deal: Deal) -> FloatArray:
        """Return the deal's content, shape ``(width,)``; what is unknown is zero."""
        out = np.zeros(self.width)
        out[0] = 1.0
        if deal.log_price == deal.log_price:
            off = deal.log_price - self.usual_price - np.array(PRICE_KNOTS)
            out[1 : 1 + len(PRICE_KNOTS)] = np.exp(-0.5 * (off / 0.4) ** 2)
        for name, places in self.levels.items():
            place = places.get(getattr(deal, name) or "")
            if place is not None:
                out[place] = 1.0
        return out


@dataclass(frozen=True, eq=False)
class Factors:
    """Where investors stand, and where a deal's content puts it.

    Attributes
    ----------
    investors
        Name → row of ``vectors``.
    vectors
        Shape ``(investors, size)``.
    placing
        From content to the deal's place, shape ``(width, size)``.
    """

    investors: dict[str, int]
    vectors: FloatArray
    placing: FloatArray
    content: Content

    def of_pool(self, ids: NDArray[np.object_]) -> FloatArray:
        """Return the vectors of investors, zero for those that nothing is known of."""
        out = np.zeros((len(ids), self.vectors.shape[1]))
        for at, name in enumerate(ids):
            row = self.investors.get(str(name))
            if row is not None:
                out[at] = self.vectors[row]
        return out

    def place(self, deal: Deal) -> FloatArray:
        """Return where the deal stands, shape ``(size,)``."""
        found: FloatArray = self.content.vector(deal) @ self.placing
        return found


def als(  # noqa: PLR0913 - the library's own knobs, keyword-only
    rows: IntArray, columns: IntArray, weight: FloatArray, shape: tuple[int, int], *,
    size: int = SIZE, seed: int = 0, alpha: float = ALPHA,
    regularization: float = REGULARIZATION, iterations: int = ITERATIONS,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Return the factors of rows and of columns, one thread, the same for the same seed."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from implicit.cpu.als import AlternatingLeastSquares
        from scipy.sparse import csr_matrix

        matrix: Any = csr_matrix((weight * alpha, (rows, columns)), shape=shape, dtype=np.float32)
        model = AlternatingLeastSquares(
            factors=size, regularization=regularization, iterations=iterations,
            num_threads=1, random_state=seed, dtype=np.float64,
        )  # fmt: skip
        model.fit(matrix, show_progress=False)
    return np.asarray(model.user_factors, np.float64), np.asarray(model.item_factors, np.float64)


def fit_factors(
    investors: NDArray[np.object_], deals: Sequence[Deal], of_deal: IntArray, weight: FloatArray,
    *, seed: int = 0,
) -> Factors:  # fmt: skip
    """Fit factors to positive answers.

    Parameters
    ----------
    investors
        Who answered, shape ``(n,)``; ``of_deal`` is the place of the deal, ``weight`` how much it counts.
    deals
        All deals that were shown, answered or not.
    """
    content = Content.of(deals)
    names, row = np.unique(investors.astype(str), return_inverse=True)
    if not len(names):
        return Factors({}, np.zeros((0, SIZE)), np.zeros((content.width, SIZE)), content)
    people, items = als(row, of_deal, weight, (len(names), len(deals)), seed=seed)
    answered = np.unique(of_deal)
    vectors = np.stack([content.vector(deals[int(d)]) for d in answered])
    gram = vectors.T @ vectors + RIDGE * np.eye(content.width)
    placing = np.asarray(np.linalg.solve(gram, vectors.T @ items[answered]), np.float64)
    return Factors({str(n): i for i, n in enumerate(names)}, people, placing, content)
