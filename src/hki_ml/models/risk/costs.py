"""What going wrong costs: the published assumptions in one table, and the draws over what is unsure.

None of the rates is learned. Sources: National Association of Realtors, *2023 Profile of Home Buyers and
Sellers* (commissions of 5 to 6 %); closing costs of 2 % of the price (CFPB, *Closing Disclosure* guides);
the rest are assumptions of a buyer of distressed homes, to be replaced by one's own books.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hki_ml.models.risk.answer import Others

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Costs:
    """The assumptions; shares are of the price unless said otherwise. See ``docs/risk.md``."""

    diligence_usd: float = 2_500.0  # search, inspection and lawyer of a contract that falls through
    fall_through_share: float = 0.02  # earnest money at stake, staff, and the deal not done instead
    buying_share: float = 0.02  # closing costs
    selling_share: float = 0.06  # commission and closing, of the resale
    holding_share_month: float = 0.008  # interest, tax, insurance
    resale_months: float = 4.0  # median time to the resale; its log varies by HOLDING_SD
    unsold_months: float = 6.0  # more, if it is not sold within 120 days
    unsold_discount: float = 0.05  # of the resale then
    works_share: float = (
        0.1  # that works cost more than planned, of the value of a home in need of them
    )
    lien_share: float = 0.25  # of known liens that stays with the buyer
    staff_usd_month: float = 300.0  # of waiting for the close
    bargain_share: float = 0.12  # what a resale brings over the value today: works, and time


COSTS = Costs()
DRAWS = 2_048
HOLDING_SD = 0.35  # of log months
DEFAULT_FSD = 0.2  # of a value that nobody said how sure it is
DEFAULT_DAYS = 30.0
TAIL = 0.05
LEAST_UNSOLD, MOST_UNSOLD = 0.03, 0.6


@dataclass(frozen=True, slots=True)
class Loss:
    """Expected loss, mean loss of the worst 5 % of cases, and P(not sold in 120 days)."""

    expected_usd: float
    tail_usd: float
    unsold_probability: float


def unsold_probability(buyers: int | None, best_match: float | None) -> float:
    """Return P(not sold within 120 days): it falls with each buyer, and with how likely the best one is.

    Without word of buyers it is one third.
    """
    if buyers is None and best_match is None:
        return 1.0 / 3.0
    deep = MOST_UNSOLD * float(np.exp(-(buyers or 0) / 5.0))
    return float(np.clip(deep * (1.0 - (best_match or 0.0)), LEAST_UNSOLD, MOST_UNSOLD))


def loss_of(
    lead_id: str, probability: float, typical: float, others: Others, *, liens_usd: float,
    needs_work: bool, costs: Costs = COSTS,
) -> Loss:  # fmt: skip
    """Return what the deal costs where it goes wrong, over draws that hang on the lead's id alone.

    Parameters
    ----------
    probability, typical
        Of falling through: this contract's, and that of contracts on average. A purchase is weighted with
        the latter: that it may never happen makes a bad purchase no better.

    Notes
    -----
    A loss of a case is what a contract that falls through leaves unpaid, and what the resale brings less
    than price and costs; a gain on one draw pays for no other.
    """
    price = others.ask_usd or others.value_usd
    waiting = costs.staff_usd_month * (others.expected_days or DEFAULT_DAYS) / 30.0
    sunk = costs.diligence_usd + waiting + costs.fall_through_share * (price or 0.0)
    fallen, bought, shock, months, late, works = _draws(lead_id)
    unsold = unsold_probability(others.buyers, others.best_match)
    case = np.where(fallen < probability, sunk, 0.0)
    if price is not None and others.value_usd is not None:
        fsd = others.value_fsd or DEFAULT_FSD
        is_late = late < unsold
        held = costs.resale_months * np.exp(HOLDING_SD * months) + costs.unsold_months * is_late
        resale = others.value_usd * np.exp(fsd * shock) * (1.0 + costs.bargain_share)
        resale *= 1.0 - costs.unsold_discount * is_late
        spent = price * (1.0 + costs.buying_share + costs.holding_share_month * held)
        spent = spent + costs.lien_share * liens_usd
        if needs_work:
            spent = spent + costs.works_share * others.value_usd * np.maximum(works, 0.0)
        short = np.maximum(spent - resale * (1.0 - costs.selling_share), 0.0)
        case = case + np.where(bought < 1.0 - typical, short, 0.0)
    else:
        case = case + costs.lien_share * liens_usd
    worst = np.sort(case)[-max(1, int(TAIL * DRAWS)) :]
    return Loss(float(case.mean()), float(worst.mean()), unsold)


def overpaid_probability(others: Others) -> float | None:
    """Return P(the home is worth less than its price), ``None`` without both."""
    if not others.ask_usd or not others.value_usd:
        return None
    gap = np.log(others.ask_usd / others.value_usd)
    return float(ndtr(gap / (others.value_fsd or DEFAULT_FSD)))


def _draws(lead_id: str) -> tuple[FloatArray, ...]:
    seed = int.from_bytes(hashlib.blake2b(lead_id.encode(), digest_size=8).digest(), "big")
    random = np.random.Generator(np.random.Philox(seed))
    uniform = random.random((3, DRAWS))
    normal = random.standard_normal((3, DRAWS))
    return uniform[0], uniform[1], normal[0], normal[1], uniform[2], normal[2]
