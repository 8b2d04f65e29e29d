"""What the valuation room says about one home, and what may be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

FactValue = float | str | bool | None


@dataclass(frozen=True, slots=True)
class KnownFact:
    """A fact that a model looks at, with what it saw of it in training.

    ``low`` and ``high`` are the 1st and 99th percentile of a number; ``categories`` the commonest
    values of a category, commonest first.
    """

    name: str
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComparableChoice:
    """Which earlier sales may stand beside the home.

    Attributes
    ----------
    pin, exclude
        Sale ids that must, or must not, be among the comparables.
    radius_km, months
        How far away and how long ago at most; ``None`` lets the room choose.
    count
        How many, 3 to 20.
    """

    pin: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    radius_km: float | None = None
    months: float | None = None
    count: int = 8


@dataclass(frozen=True, slots=True)
class InvestmentTerms:
    """What an investor assumes about a deal; money in USD, rates as shares of one.

    Attributes
    ----------
    rehab_cost_usd, rehab_cost_sd_share
        Expected cost of the works and its standard deviation as a share of it.
    holding_months, holding_cost_rate
        Months until resale, and carrying cost a month as a share of the offer.
    selling_cost_rate
        Cost of selling as a share of the resale price.
    target_margin_rate
        Profit wanted as a share of the after-repair value.
    loss_probability
        P(loss), of offers that are accepted, that the maximum allowable offer may not exceed.
    seller_minimum_rate, seller_minimum_sd
        What the median seller takes as a share of what the home is truly worth, and the standard deviation
        of its log over sellers. Sellers know their homes: an offer is taken more often the more it is
        above the worth. A standard deviation of 3 says that they do not.
    """

    rehab_cost_usd: float = 0.0
    rehab_cost_sd_share: float = 0.25
    holding_months: float = 6.0
    holding_cost_rate: float = 0.008
    selling_cost_rate: float = 0.07
    target_margin_rate: float = 0.10
    loss_probability: float = 0.10
    seller_minimum_rate: float = 0.80
    seller_minimum_sd: float = 0.15


@dataclass(frozen=True, slots=True)
class Interval:
    """A range of USD that holds the sale price with the probability it is named by."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One line of a comparable's adjustment: what the home has more (+) or less (-), in USD."""

    factor: str
    amount_usd: float
    home: FactValue
    comparable: FactValue


@dataclass(frozen=True, slots=True)
class Comparable:
    """An earlier sale beside the home; ``price_usd`` plus its adjustments is ``adjusted_price_usd``."""

    sale_id: str
    property_id: str
    sold_at: datetime
    price_usd: float
    adjusted_price_usd: float
    adjustments: tuple[Adjustment, ...]
    distance_km: float | None
    months_ago: float
    similarity: float
    weight: float
    pinned: bool
    facts: Mapping[str, FactValue]


@dataclass(frozen=True, slots=True)
class Driver:
    """What a group of facts adds to (+) or takes from (-) the area's typical home, in USD."""

    factor: str
    amount_usd: float
    facts: Mapping[str, FactValue]
    typical: Mapping[str, FactValue]


@dataclass(frozen=True, slots=True)
class Investment:
    """What the home could be to an investor, by simulation over value, works and time.

    ``probability_of_loss`` and ``expected_profit_usd`` are of the maximum allowable offer where it is
    accepted, which it is with ``acceptance_probability``. ``winners_curse_usd`` is how much more could be
    offered if acceptance told nothing of the worth.
    """

    after_repair_value_usd: float
    after_repair: Interval
    maximum_allowable_offer_usd: float
    probability_of_loss: float
    expected_profit_usd: float
    acceptance_probability: float
    winners_curse_usd: float
    renovation_potential_usd: float
    draws: int
    terms: InvestmentTerms


@dataclass(frozen=True, slots=True)
class Valuation:
    """The answer: either an estimate with its evidence, or reasons why there is none.

    ``typical_value_usd`` plus the drivers' amounts is ``estimated_value_usd``. ``fsd`` is half the
    width of the 68 % interval as a share of the value; ``confidence`` is the probability that the
    price lies within 10 % of the value. ``assumed`` are facts that were not given and are taken to be
    the area's typical ones.
    """

    as_of: datetime
    reasons_against: tuple[str, ...] = ()
    estimated_value_usd: float | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    fsd: float | None = None
    confidence: float | None = None
    comparables: tuple[Comparable, ...] = ()
    typical_value_usd: float | None = None
    drivers: tuple[Driver, ...] = ()
    assumed: Mapping[str, FactValue] = field(default_factory=dict)
    investment: Investment | None = None
