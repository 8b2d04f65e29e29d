from __future__ import annotations

import numpy as np
import pytest

from hki_ml.errors import NotEnoughData
from hki_ml.models.valuation.sellers import sellers_of


def offers(n, *, rate=0.8, sd=0.12, fsd=0.09, seed=1):
    made = np.random.default_rng(seed)
    value = made.uniform(2e5, 9e5, n)
    worth = value * np.exp(fsd * made.standard_normal(n))
    offer = value * made.uniform(0.55, 1.0, n)
    least = rate * worth * np.exp(made.logistic(0, sd * np.sqrt(3) / np.pi, n))
    return offer, value, np.full(n, fsd), least <= offer


def test_what_sellers_take_is_found_again_and_doubt_of_the_worth_is_not_taken_for_theirs():
    found = sellers_of(*offers(20_000))
    assert found.minimum_rate == pytest.approx(0.8, abs=0.01)
    assert found.minimum_sd == pytest.approx(0.12, abs=0.02)


def test_too_few_offers_say_nothing():
    with pytest.raises(NotEnoughData, match="got 100 with"):
        sellers_of(*offers(100))


def test_acceptance_that_hangs_on_no_offer_says_nothing():
    offer, value, fsd, _ = offers(2_000)
    by_lot = np.random.default_rng(0).random(2_000) < 0.3
    with pytest.raises(NotEnoughData, match="no difference"):
        sellers_of(offer, value, fsd, by_lot)
