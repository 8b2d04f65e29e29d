"""How near values come to sale prices: appraisal ratios by the assessors' standard, and relative errors.

Source of COD, PRD, PRB: IAAO, *Standard on Ratio Studies* (2013), sections 5 and 9, tables 1-2 to 1-4.
All functions take sale prices first, values second, both positive and of one length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def relative_error(price: FloatArray, value: FloatArray) -> FloatArray:
    """Return |value - price| / price of each sale."""
    return np.abs(value / price - 1.0)


def mape(price: FloatArray, value: FloatArray) -> float:
    """Return the mean absolute percentage error in percent; driven by the tail.

    >>> round(mape(np.array([100.0, 200.0]), np.array([110.0, 190.0])), 2)
    7.5
    """
    return float(100 * relative_error(price, value).mean())


def mdape(price: FloatArray, value: FloatArray) -> float:
    """Return the median absolute percentage error in percent; good models of homes reach 5 to 10.

    >>> round(mdape(np.array([100.0, 200.0, 50.0]), np.array([110.0, 190.0, 90.0])), 2)
    10.0
    """
    return float(100 * np.median(relative_error(price, value)))


def ppe(price: FloatArray, value: FloatArray, *, within: float = 0.10) -> float:
    """Return the percentage of values within a share of the price (PPE10 for 0.10).

    >>> ppe(np.array([100.0, 200.0]), np.array([109.0, 150.0]))
    50.0
    """
    return float(100 * (relative_error(price, value) <= within).mean())


def r2(price: FloatArray, value: FloatArray) -> float:
    """Return the share of the variance of prices (USD, not log) that values explain.

    >>> r2(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    """
    whole = float(((price - price.mean()) ** 2).sum())
    return 1.0 - float(((price - value) ** 2).sum()) / whole if whole > 0 else float("nan")


def fsd(price: FloatArray, value: FloatArray) -> float:
    """Return the forecast standard deviation: that of (value - price) / price, as a share.

    >>> round(fsd(np.array([100.0, 100.0]), np.array([90.0, 110.0])), 2)
    0.1
    """
    return float((value / price - 1.0).std())


def cod(price: FloatArray, value: FloatArray) -> float:
    """Return the coefficient of dispersion: mean distance of ratios from their median, in percent of it.

    Accepted: 5 to 15 for single-family homes, 5 to 10 for newer and similar ones (IAAO table 1-3).

    >>> round(cod(np.array([100.0, 100.0, 100.0]), np.array([90.0, 100.0, 110.0])), 2)
    6.67
    """
    ratio = value / price
    middle = np.median(ratio)
    return float(100 * np.abs(ratio - middle).mean() / middle)


def prd(price: FloatArray, value: FloatArray) -> float:
    """Return the price-related differential: mean ratio over the price-weighted one.

    Accepted: 0.98 to 1.03. Above one, dear homes are valued too low (regressive).

    >>> round(prd(np.array([100.0, 200.0]), np.array([100.0, 180.0])), 4)
    1.0179
    """
    return float((value / price).mean() / (value.sum() / price.sum()))


def prb(price: FloatArray, value: FloatArray) -> float:
    """Return the price-related bias: change of the ratio, as a share, when the home's worth doubles.

    Accepted: -0.05 to 0.05 (IAAO 2013, section 5.6); below zero is regressive. Worth is the mean of
    the price and the value over the median ratio, so that noise of neither alone bends the slope.

    >>> abs(prb(np.array([100.0, 200.0, 400.0]), np.array([100.0, 200.0, 400.0]))) < 1e-12
    True
    """
    ratio = value / price
    middle = np.median(ratio)
    worth = np.log2(0.5 * (price + value / middle))
    centred = worth - worth.mean()
    spread = float(centred @ centred)
    if spread == 0:
        return 0.0
    return float(centred @ ((ratio - middle) / middle)) / spread
