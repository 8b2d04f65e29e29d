from __future__ import annotations

from hki_ml.serving.remembered import RememberedAnswers

ONE, TWO = object(), object()


def test_an_answer_is_recalled_as_it_was_given_and_a_copy_each_time():
    answers = RememberedAnswers()
    answers.keep(ONE, "q", {"value": 1.5, "lines": [1, None]})
    first = answers.recall(ONE, "q")
    assert first == {"value": 1.5, "lines": [1, None]}
    first["lines"].append("mine")
    assert answers.recall(ONE, "q") == {"value": 1.5, "lines": [1, None]}


def test_another_model_recalls_nothing_of_the_former():
    answers = RememberedAnswers()
    answers.keep(ONE, "q", {"value": 1})
    assert answers.recall(TWO, "q") is None
    answers.keep(TWO, "other", {"value": 2})
    assert answers.recall(ONE, "q") is None
    assert not answers.holds(TWO, "q")


def test_the_one_asked_longest_ago_is_forgotten_first():
    answers = RememberedAnswers(keep=2)
    for asked in ("a", "b"):
        answers.keep(ONE, asked, {})
    answers.recall(ONE, "a")
    answers.keep(ONE, "c", {})
    assert [answers.holds(ONE, asked) for asked in "abc"] == [True, False, True]


def test_with_room_for_none_nothing_is_remembered():
    answers = RememberedAnswers(keep=0)
    answers.keep(ONE, "q", {})
    assert answers.recall(ONE, "q") is None
