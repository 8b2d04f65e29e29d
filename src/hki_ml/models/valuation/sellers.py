"""What sellers take, learned from offers: accepted or not, beside what was said of the home."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from hki_ml.errors import NotEnoughData
from hki_ml.metrics.classification import log_loss
from hki_ml.models.valuation.investment import LIMITS

FloatArray = NDArray[np.float64]
FEWEST, FEWEST_EACH = 200, 30


@dataclass(frozen=True, slots=True)
class Sellers:
    """What the median seller takes, as a share of the worth, and the spread of its log over sellers."""

    minimum_rate: float
    minimum_sd: float
    offers: int


def sellers_of(
    offer_usd: FloatArray, value_usd: FloatArray, fsd: FloatArray, accepted: NDArray[np.bool_]
) -> Sellers:
    """Return what sellers take, from offers; each argument of shape ``(n,)``.

    Parameters
    ----------
    value_usd, fsd
        What was said of the home before the offer, and its relative standard deviation: acceptance spreads
        over both the sellers and what was unsure of the worth, and the latter is taken out.

    Raises
    ------
    NotEnoughData
        If there are fewer than 200 offers, or 30 of either end, or higher offers are not taken more often.
    """
    n, yes = len(offer_usd), int(np.sum(accepted))
    if n < FEWEST or min(yes, n - yes) < FEWEST_EACH:
        raise NotEnoughData(
            f"expected {FEWEST} offers with {FEWEST_EACH} of either end, got {n} with {yes} accepted"
        )
    share = np.log(offer_usd / value_usd)
    ends = np.asarray(accepted, np.float64)

    def cost(theta: FloatArray) -> float:
        return log_loss(ends, 1 / (1 + np.exp(-(share - theta[0]) * np.exp(-theta[1]))))

    begin = np.array([float(np.median(share)), np.log(max(float(share.std()), 0.02))])
    middle, log_scale = minimize(cost, begin, method="Nelder-Mead").x
    spread = float(np.exp(log_scale)) * np.pi / np.sqrt(3)
    low, high = LIMITS["seller_minimum_sd"]
    if not spread < high:
        raise NotEnoughData("expected higher offers to be accepted more often, got no difference")
    own = np.sqrt(max(spread**2 - float(np.mean(fsd**2)), low**2))
    return Sellers(float(np.exp(middle)), float(own), n)
