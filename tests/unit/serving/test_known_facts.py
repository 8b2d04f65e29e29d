from __future__ import annotations

from hki_ml.serving.known_facts import NO_NUMBER, NO_TEXT, UNKNOWN, split
from hki_ml.serving.model import KnownFact

KNOWN = [KnownFact("area", categories=("6",)), KnownFact("extra_age", low=0.0, high=9.0)]


def test_what_the_model_does_not_look_at_is_passed_over_and_told():
    assert split({"area": "6", "extra_pool": 1.0}, KNOWN) == (
        {"area": "6"},
        {"extra_pool": UNKNOWN},
    )


def test_a_fact_of_the_wrong_kind_is_not_taken_for_unknown():
    used, passed_over = split({"area": 6.0, "extra_age": "old"}, KNOWN)
    assert used == {}
    assert passed_over == {"area": NO_TEXT, "extra_age": NO_NUMBER}


def test_a_fact_without_a_value_is_never_passed_over():
    assert split({"extra_pool": None, "extra_age": None}, KNOWN)[1] == {}
