"""What a home could be to an investor: offer, profit and P(loss), by simulation over what is unsure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

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
    "seller_minimum_rate": (0.1, 2.0),
    "seller_minimum_sd": (0.02, 3.0),
}
STEP, LOWEST_SHARE = 0.97, 0.5  # how offers are gone through, from the one without selection down
HALVINGS = 7  # of one step


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
    intervals: dict[str, Interval], *, value: float, repaired_value: float, terms: InvestmentTerms,
    errors: Sequence[tuple[float, float]] = (),
) -> Investment:  # fmt: skip
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
    errors
        How prices lie around values, as ``learning.intervals.errors_of`` says. Without it errors are those of
        the intervals, and normal beyond them, which prices of homes are not.

    Returns
    -------
    The maximum allowable offer is the highest at which, of accepted offers, P(loss) is at most
    ``terms.loss_probability`` and the expected profit at least ``terms.target_margin_rate`` of the
    after-repair value; 0 where no offer keeps to both. Draws in which the home is worth less are
    accepted more often and count more: the winner's curse (Capen, Clapp and Campbell 1971). The draws
    are a fixed low-discrepancy set, so the same question has the same answer.
    """
    check_terms(terms)
    shock, works, months, market = _draws()
    relative = _quantile(intervals, value, ndtr(shock), errors) / value
    holding = terms.holding_months * np.exp(HOLDING_SPREAD * months)
    drift = np.exp(MONTHLY_MARKET_SD * np.sqrt(holding) * market)
    # Works that are not paid for are not done: without them the home is sold as it stands.
    sold_as = repaired_value if terms.rehab_cost_usd > 0 else value
    resale = sold_as * relative * drift
    rehab = terms.rehab_cost_usd * np.maximum(0.0, 1 + terms.rehab_cost_sd_share * works)
    proceeds = resale * (1 - terms.selling_cost_rate) - rehab
    carry = 1 + terms.holding_cost_rate * holding
    bargain = _Bargain(proceeds, carry, np.log(value * relative), terms, sold_as)
    most = bargain.without_selection()
    offer = bargain.highest(most)
    taken = bargain.taken(offer)
    gain = proceeds - offer * carry
    return Investment(
        after_repair_value_usd=repaired_value,
        after_repair=Interval(*(float(q) for q in np.quantile(resale, [0.1, 0.9]))),
        maximum_allowable_offer_usd=offer,
        probability_of_loss=float(np.average(gain < 0, weights=taken)),
        expected_profit_usd=float(np.average(gain, weights=taken)),
        acceptance_probability=float(taken.mean()),
        winners_curse_usd=most - offer,
        renovation_potential_usd=repaired_value - value,
        draws=DRAWS,
        terms=terms,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Bargain:
    """What an offer brings, draw by draw: proceeds, what each offered dollar costs, and the worth's log."""

    proceeds: Floats
    carry: Floats
    log_worth: Floats
    terms: InvestmentTerms
    sold_as: float

    def without_selection(self) -> float:
        """Return the highest offer if every draw were as likely to be accepted."""
        safe = float(np.quantile(self.proceeds / self.carry, self.terms.loss_probability))
        wanted = self.terms.target_margin_rate * self.sold_as
        return max(0.0, min(safe, float((self.proceeds.mean() - wanted) / self.carry.mean())))

    def taken(self, offer: float) -> Floats:
        """Return how likely an offer is accepted in each draw; the lower the worth, the likelier."""
        least = self.log_worth + np.log(self.terms.seller_minimum_rate)
        scale = self.terms.seller_minimum_sd * np.sqrt(3) / np.pi
        # Below 1e-12 a draw counts as that: what nobody accepts still has a best and a worst draw.
        return np.asarray(np.maximum(expit((np.log(max(offer, 1.0)) - least) / scale), 1e-12))

    def highest(self, most: float) -> float:
        """Return the highest offer up to ``most`` that keeps to risk and margin where it is accepted.

        0 if there is none: a very low offer is accepted for lemons alone, and its risk rises again.
        """
        high = most
        low = most if self._is_allowed(most) else 0.0
        while not low and high > LOWEST_SHARE * most:
            low, high = (high * STEP, high) if self._is_allowed(high * STEP) else (0.0, high * STEP)
        if not 0 < low < most:
            return low
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self._is_allowed(middle) else (low, middle)
        return low

    def _is_allowed(self, offer: float) -> bool:
        taken = self.taken(offer)
        gain = self.proceeds - offer * self.carry
        if np.dot(taken, gain < 0) > self.terms.loss_probability * taken.sum():
            return False
        wanted = self.terms.target_margin_rate * self.sold_as
        return bool(np.dot(taken, gain) >= wanted * taken.sum())


def _quantile(
    intervals: dict[str, Interval], value: float, probability: Floats,
    errors: Sequence[tuple[float, float]],
) -> Floats:  # fmt: skip
    """Return the value's quantiles: straight between what is known, on the normal scale."""
    down, up = np.log(value / intervals["p95"].low), np.log(intervals["p95"].high / value)
    known = [(p, value * np.exp(m * (down if m < 0 else up))) for p, m in errors]
    if not known:
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
