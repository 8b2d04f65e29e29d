"""What a service does when the challenger fails or is slow: nobody is left without an answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hki_ml.ledger import Experiment
from hki_ml.serving.holder import Held, ModelHolder
from hki_ml.serving.lead_model import LeadQuestion, answer_all
from hki_ml.serving.split import FEWEST_TIMED, MOST_FAILURES, Split

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HALF = Experiment("m/2", "m", "1", "2", 0.5, NOW, NOW)


@dataclass
class Says:
    version: str
    error: type[Exception] | None = None

    def answer(self, state, *, as_of):  # noqa: ARG002
        if self.error is not None:
            raise self.error("planted")
        return {"probability": 0.5}


def holder(challenger: Says) -> ModelHolder:
    made = ModelHolder("m", registry=None, load=None, cache=Path("unused"))
    made.held = Held(Says("1"), "1")
    made.split = Split(HALF, challenger)
    return made


def ask(model, question):
    return model.answer(question.state, as_of=question.as_of)


def questions(n):
    return [LeadQuestion({}, NOW, entity=f"lead_{i}") for i in range(n)]


def test_each_lead_is_answered_by_its_own_version_and_the_record_says_so():
    replies = answer_all(holder(Says("2")), questions(400), ask)
    for question, reply in zip(questions(400), replies, strict=True):
        arm = HALF.arm(question.entity)
        assert reply["version"] == HALF.version_of(arm)
        assert reply["experiment"] == {"name": "m/2", "arm": arm, "propensity": 0.5}
    assert {reply["version"] for reply in replies} == {"1", "2"}


def test_a_question_about_nobody_gets_the_champion_and_is_in_no_experiment():
    (reply,) = answer_all(holder(Says("2")), [LeadQuestion({}, NOW)], ask)
    assert reply["version"] == "1"
    assert "experiment" not in reply


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_a_challenger_that_fails_costs_nobody_an_answer_and_is_soon_out(error):
    made = holder(Says("2", error))
    replies = answer_all(made, questions(400), ask)
    assert {reply["version"] for reply in replies} == {"1"}
    assert made.split.failures == MOST_FAILURES
    assert made.split.tripped == f"it failed {MOST_FAILURES} times, last with {error.__name__}"


def test_a_challenger_that_is_much_slower_is_out():
    split = Split(HALF, Says("2"))
    for _ in range(FEWEST_TIMED):
        split.took("champion", 0.002)
        split.took("challenger", 0.003)
    assert split.tripped is None
    for _ in range(FEWEST_TIMED):
        split.took("challenger", 0.030)
    assert split.tripped is not None
    assert split.tripped.endswith("ms beside 2.00 ms")


class Ledger:
    def __init__(self, running):
        self.now, self.ended = running, []

    def running(self, model):  # noqa: ARG002
        return self.now

    def stop(self, experiment, reason):  # noqa: ARG002
        self.ended.append(reason)
        self.now = None


def test_one_that_tripped_is_written_down_once_and_let_go(tmp_path):
    ledger = Ledger(HALF)
    made = ModelHolder("m", registry=None, load=None, cache=tmp_path, experiments=ledger)
    made.held = Held(Says("1"), "1")
    made.split = Split(HALF, Says("2"))
    made.split.tripped = "planted"
    made.refresh_split()
    made.refresh_split()
    assert made.split is None
    assert ledger.ended == ["planted"]


def test_an_experiment_against_another_champion_splits_nothing(tmp_path):
    made = ModelHolder("m", registry=None, load=None, cache=tmp_path, experiments=Ledger(HALF))
    made.held = Held(Says("7"), "7")
    made.refresh_split()
    assert made.split is None
