from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.errors import FactOutOfRange
from hki_ml.models.valuation.answer import Interval, InvestmentTerms
from hki_ml.models.valuation.investment import invest

VALUE = 500_000.0
INTERVALS = {
    "p68": Interval(455_000, 550_000),
    "p80": Interval(440_000, 568_000),
    "p95": Interval(400_000, 625_000),
}


def offer(terms: InvestmentTerms, value: float = VALUE, repaired: float = VALUE):
    return invest(INTERVALS, value=value, repaired_value=repaired, terms=terms)


def test_the_offer_keeps_the_stated_risk_where_the_margin_does_not_bind():
    found = offer(InvestmentTerms(target_margin_rate=0.0, loss_probability=0.10))
    assert found.probability_of_loss == pytest.approx(0.10, abs=0.01)


def test_the_offer_leaves_the_wanted_margin_where_the_risk_does_not_bind():
    found = offer(InvestmentTerms(target_margin_rate=0.30, loss_probability=0.5))
    assert found.expected_profit_usd == pytest.approx(0.30 * VALUE, rel=1e-3)


@given(st.floats(0, 100_000), st.floats(1_000, 50_000))
def test_dearer_works_never_raise_the_offer(cost, more):
    cheap, dear = (InvestmentTerms(rehab_cost_usd=usd) for usd in (cost, cost + more))
    assert offer(dear).maximum_allowable_offer_usd <= offer(cheap).maximum_allowable_offer_usd


@given(st.floats(0.01, 0.4), st.floats(0.01, 0.09))
def test_less_appetite_for_loss_never_raises_the_offer(probability, less):
    bold = InvestmentTerms(target_margin_rate=0.0, loss_probability=probability + less)
    shy = replace(bold, loss_probability=probability)
    assert offer(shy).maximum_allowable_offer_usd <= offer(bold).maximum_allowable_offer_usd


def test_wider_intervals_lower_the_offer():
    narrow = offer(InvestmentTerms()).maximum_allowable_offer_usd
    wide = {
        name: Interval(2 * found.low - VALUE, 2 * found.high - VALUE)
        for name, found in INTERVALS.items()
    }
    shaky = invest(wide, value=VALUE, repaired_value=VALUE, terms=InvestmentTerms())
    assert shaky.maximum_allowable_offer_usd < narrow


def test_the_same_question_has_the_same_answer():
    assert offer(InvestmentTerms()) == offer(InvestmentTerms())


def test_works_that_cost_more_than_the_home_leave_no_offer():
    assert offer(InvestmentTerms(rehab_cost_usd=2e6)).maximum_allowable_offer_usd == 0


def test_terms_out_of_range_are_refused_by_name():
    with pytest.raises(FactOutOfRange, match=r"selling_cost_rate: expected 0 to 0\.5, got 0\.9"):
        offer(InvestmentTerms(selling_cost_rate=0.9))


def test_works_that_are_not_paid_for_do_not_raise_the_offer():
    free = offer(InvestmentTerms(), repaired=VALUE * 1.2)
    assert free.maximum_allowable_offer_usd == offer(InvestmentTerms()).maximum_allowable_offer_usd
    assert free.renovation_potential_usd == pytest.approx(0.2 * VALUE)
    paid = offer(InvestmentTerms(rehab_cost_usd=10_000), repaired=VALUE * 1.2)
    assert paid.maximum_allowable_offer_usd > free.maximum_allowable_offer_usd


BLIND = InvestmentTerms(target_margin_rate=0.0, holding_months=0.0, seller_minimum_sd=3.0)
KNOWING = replace(BLIND, seller_minimum_sd=0.08)


def test_sellers_who_know_their_homes_lower_the_offer():
    blind, knowing = offer(BLIND), offer(KNOWING)
    assert knowing.maximum_allowable_offer_usd < blind.maximum_allowable_offer_usd
    assert knowing.winners_curse_usd > blind.winners_curse_usd >= 0
    assert knowing.probability_of_loss == pytest.approx(0.10, abs=0.01)


def accepted(offer_usd: float, terms: InvestmentTerms, n: int = 200_000):
    """Play the bargain: worth around the value as the intervals say, sellers around their worth."""
    made = np.random.default_rng(4)
    worth = VALUE * np.exp(0.095 * made.standard_normal(n))
    least = (
        terms.seller_minimum_rate
        * worth
        * np.exp(made.logistic(0, terms.seller_minimum_sd * np.sqrt(3) / np.pi, n))
    )
    taken = worth[least <= offer_usd]
    loss = taken * (1 - terms.selling_cost_rate) < offer_usd
    return len(taken) / n, loss.mean()


def test_what_is_accepted_loses_as_often_as_stated_and_without_selection_more_often():
    spread = {
        name: Interval(VALUE * np.exp(-0.095 * z), VALUE * np.exp(0.095 * z))
        for name, z in (("p68", 0.99446), ("p80", 1.28155), ("p95", 1.95996))
    }
    for terms in (KNOWING, replace(KNOWING, loss_probability=0.2)):
        found = invest(spread, value=VALUE, repaired_value=VALUE, terms=terms)
        share, loss = accepted(found.maximum_allowable_offer_usd, terms)
        assert loss == pytest.approx(terms.loss_probability, abs=0.01)
        assert share == pytest.approx(found.acceptance_probability, abs=0.01)
        naive = found.maximum_allowable_offer_usd + found.winners_curse_usd
        assert accepted(naive, terms)[1] > terms.loss_probability + 0.03
