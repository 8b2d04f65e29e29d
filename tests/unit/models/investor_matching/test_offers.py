"""Deals placed at once: within capacity and criteria, never worse than one by one, reasons that add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hki_ml.errors import BadInput
from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.models.investor_matching.criteria import broken
from hki_ml.models.investor_matching.deal import Deal
from hki_ml.models.investor_matching.offers import plan
from hki_ml.models.investor_matching.portfolio import capacity_of
from hki_ml.models.investor_matching.predict import LEFT, InvestorMatcher
from tests.unit.models.investor_matching.market import NOW, matcher, tables


@pytest.fixture(scope="module")
def pool() -> InvestorPool:
    return InvestorPool.of(tables()["investor_state"])


@pytest.fixture(scope="module")
def model() -> InvestorMatcher:
    return InvestorMatcher(matcher(), version="1")


@pytest.fixture(scope="module")
def deals() -> list[dict]:
    return tables()["deals"].to_pylist()[-30:]


def test_nobody_is_offered_more_than_they_can_take_or_what_they_do_not_admit(model, pool, deals):
    found = plan(model, deals, pool, as_of=NOW, a_deal=5)
    assert len(found.deals) == len(deals)
    taken: dict[str, list[int]] = {}
    for deal, placed in zip(deals, found.deals, strict=True):
        names = [offer.investor_id for offer in placed.offers]
        assert len(set(names)) == len(names) <= 5
        rules = broken(pool, Deal.of(deal)).any(axis=0) | pool.opted_out
        for offer in placed.offers:
            assert not rules[pool.place[offer.investor_id]]
            taken.setdefault(offer.investor_id, []).append(offer.turn)
    assert sum(map(len, taken.values())) > len(deals)
    rows = np.array([pool.place[name] for name in taken])
    left = model._table(Deal.of(deals[0]), pool, rows, NOW)[:, LEFT]
    for name, most in zip(taken, capacity_of(left), strict=True):
        assert sorted(taken[name]) == list(range(1, len(taken[name]) + 1))
        assert len(taken[name]) <= most
        assert (name in found.at_capacity) == (len(taken[name]) == most)


def test_all_together_expect_at_least_what_one_after_the_other_does(model, pool, deals):
    for n in (1, 5, 30):
        found = plan(model, deals[:n], pool, as_of=NOW, a_deal=3)
        offered = sum(offer.probability for placed in found.deals for offer in placed.offers)
        assert found.expected == pytest.approx(offered, abs=1e-9)
        assert found.expected >= found.one_by_one > 0


def test_reasons_add_up_with_what_each_further_offer_costs(model, pool, deals):
    found = plan(model, deals, pool, as_of=NOW, a_deal=5)
    offers = [offer for placed in found.deals for offer in placed.offers]
    assert max(offer.turn for offer in offers) > 1
    for offer in offers:
        total = offer.reference + sum(reason.log_odds for reason in offer.reasons)
        assert total == pytest.approx(np.log(offer.probability / (1 - offer.probability)), abs=1e-6)
        assert any(reason.factor == "offers of today" for reason in offer.reasons) == (
            offer.turn > 1
        )


def test_without_investors_or_deals_there_are_no_offers(model, pool, deals):
    alone = replace(pool, opted_out=np.ones(len(pool), bool))
    found = plan(model, deals[:3], alone, as_of=NOW)
    assert [(placed.offers, placed.admitted) for placed in found.deals] == [((), 0)] * 3
    assert (found.expected, found.one_by_one, found.at_capacity) == (0, 0, ())
    assert plan(model, [], pool, as_of=NOW).deals == ()


def test_more_than_can_be_placed_is_refused(model, pool, deals):
    with pytest.raises(BadInput, match="at most 200, got 201"):
        plan(model, deals[:1] * 201, pool, as_of=NOW)
    with pytest.raises(BadInput, match="1 to 20, got 0"):
        plan(model, deals[:1], pool, as_of=NOW, a_deal=0)


def test_a_deal_alone_is_placed_as_it_is_matched(model, pool, deals):
    for deal in deals[:10]:
        (placed,) = plan(model, [deal], pool, as_of=NOW, a_deal=3).deals
        matched = model.answer(deal, pool, as_of=NOW, limit=3).matches
        assert [(each.investor_id, each.probability) for each in placed.offers] == [
            (each.investor_id, pytest.approx(each.probability)) for each in matched
        ]
