"""What a home could be to an investor: offer, profit and P(loss), by simulation over what is unsure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from hki_ml.errors import FactOutOfRange
from hki_ml.models.valuation.answer import Interval, Investment, InvestmentTerms

Floats = NDArray[np.float64]

DRAWS = 4096
HOLDING_SPREAD = 0.25  # standard deviation of log holding time
MONTHLY_MARKET_SD = 0.012  # of log prices; a year of it is the usual 4 % of metropolitan indices
LIMITS: dict[str, tuple[float, float]] = {
    "rehab_cost_usd": (0.0, 100_000_000.0),
    "rehab_cost_sd_share": (0.0, 2.0),
    "holding_months": (0.0, 120.0),
    "holding_cost_rate": (0.0, 0.2),
    "selling_cost_rate": (0.0, 0.5),
    "target_margin_rate": (0.0, 0.9),
    "loss_probability": (0.001, 0.5),
}


def check_terms(terms: InvestmentTerms) -> None:
    """Refuse terms outside their ranges.

    Raises
    ------
    FactOutOfRange
        With the name of the first field that is out of range as its pointer.
    """
    for name, (low, high) in LIMITS.items():
        value = getattr(terms, name)
        if not low <= value <= high:
            raise FactOutOfRange(
                f"/investment/{name}", f"expected {low:g} to {high:g}, got {value:g}"
            )


def invest(
    intervals: dict[str, Interval], *, value: float, repaired_value: float, terms: InvestmentTerms
) -> Investment:
    """Return offer, profit and risk under the terms.

    Parameters
    ----------
    intervals
        ``p68``, ``p80`` and ``p95`` of the home as it stands, USD.
    value, repaired_value
        Point value as it stands and with the works done, USD. The latter is what it is resold at if
        the terms pay for works.
    terms
        The investor's assumptions.

    Returns
    -------
    The maximum allowable offer is the smaller of two: the offer at which P(loss) is
    ``terms.loss_probability``, and the one that leaves ``terms.target_margin_rate`` of the
    after-repair value as expected profit. P(loss) and profit are those at that offer. The draws are
    a fixed low-discrepancy set, so the same question has the same answer.
    """
    check_terms(terms)
    shock, works, months, market = _draws()
    relative = _quantile(intervals, value, ndtr(shock)) / value
    holding = terms.holding_months * np.exp(HOLDING_SPREAD * months)
    drift = np.exp(MONTHLY_MARKET_SD * np.sqrt(holding) * market)
    # Works that are not paid for are not done: without them the home is sold as it stands.
    sold_as = repaired_value if terms.rehab_cost_usd > 0 else value
    resale = sold_as * relative * drift
    rehab = terms.rehab_cost_usd * np.maximum(0.0, 1 + terms.rehab_cost_sd_share * works)
    proceeds = resale * (1 - terms.selling_cost_rate) - rehab
    carry = 1 + terms.holding_cost_rate * holding
    break_even = proceeds / carry
    safe = float(np.quantile(break_even, terms.loss_probability))
    wanted = terms.target_margin_rate * sold_as
    profitable = float((proceeds.mean() - wanted) / carry.mean())
    offer = max(0.0, min(safe, profitable))
    return Investment(
        after_repair_value_usd=repaired_value,
        after_repair=Interval(*(float(q) for q in np.quantile(resale, [0.1, 0.9]))),
        maximum_allowable_offer_usd=offer,
        probability_of_loss=float(np.mean(proceeds - offer * carry < 0)),
        expected_profit_usd=float(np.mean(proceeds - offer * carry)),
        renovation_potential_usd=repaired_value - value,
        draws=DRAWS,
        terms=terms,
    )


def _quantile(intervals: dict[str, Interval], value: float, probability: Floats) -> Floats:
    """Return the value's quantiles: straight between the interval's ends on the normal scale."""
    known = [(0.5, value)]
    for name, coverage in (("p68", 0.68), ("p80", 0.80), ("p95", 0.95)):
        interval = intervals[name]
        known += [((1 - coverage) / 2, interval.low), ((1 + coverage) / 2, interval.high)]
    known.sort()
    scores = ndtri([probability for probability, _ in known])
    prices = np.log([price for _, price in known])
    z = ndtri(probability)
    inside = np.interp(z, scores, prices)
    below = prices[0] + (z - scores[0]) * (prices[1] - prices[0]) / (scores[1] - scores[0])
    above = prices[-1] + (z - scores[-1]) * (prices[-1] - prices[-2]) / (scores[-1] - scores[-2])
    log_price = np.where(z < scores[0], below, np.where(z > scores[-1], above, inside))
    result: Floats = np.exp(log_price)
    return result


_DRAWN: list[tuple[Floats, Floats, Floats, Floats]] = []


def _draws() -> tuple[Floats, Floats, Floats, Floats]:
    if not _DRAWN:
        from scipy.stats import qmc

        uniform = qmc.Sobol(4, scramble=True, rng=20161001).random(DRAWS)
        normal = ndtri(np.clip(uniform, 1e-9, 1 - 1e-9))
        _DRAWN.append((normal[:, 0], normal[:, 1], normal[:, 2], normal[:, 3]))
    return _DRAWN[0]
