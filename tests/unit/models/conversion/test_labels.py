import numpy as np
import pytest

from hki_ml.errors import NotEnoughData
from hki_ml.learning.lead_labels import Ends
from hki_ml.models.conversion import labels
from hki_ml.models.conversion.explain import END, Ladder


def test_a_lead_lives_through_every_period_up_to_the_one_in_which_it_ends(monkeypatch):
    monkeypatch.setattr(labels, "FEWEST_CLOSINGS", 1)
    monkeypatch.setattr(labels, "FEWEST_AT_RISK", 0)
    found = labels.periods(Ends(np.array([5.0, 2.0]), np.array([1, 0])), most=100, seed=0)
    assert found.row.tolist() == [0, 0, 0, 1, 1]
    assert found.period.tolist() == [0, 1, 2, 0, 1]
    assert found.ending.tolist() == [0, 0, 1, 0, 0]
    # Of its second period, day 1 to 3, the open lead was seen half.
    assert found.weight.tolist() == [1, 1, 1, 1, 0.5]


def test_drawn_periods_stand_for_the_rest():
    random = np.random.default_rng(0)
    ends = Ends(random.exponential(60, 4000), random.integers(0, 3, 4000))
    every = labels.periods(ends, most=10**9, seed=0)
    some = labels.periods(ends, most=8000, seed=0)
    assert len(some.row) < 0.5 * len(every.row)
    assert some.weight.sum() == pytest.approx(every.weight.sum(), rel=0.03)
    assert (some.ending == 1).sum() == (every.ending == 1).sum()


def test_too_few_closings_are_told():
    with pytest.raises(NotEnoughData, match="got 1"):
        labels.periods(Ends(np.array([5.0, 2.0]), np.array([1, 0])), most=100, seed=0)


@pytest.mark.parametrize("stage", range(END))
@pytest.mark.parametrize("closing", [0.001, 0.2, 0.95])
def test_the_steps_up_multiply_to_the_probability_of_closing(stage, closing):
    random = np.random.default_rng(1)
    now = random.integers(0, END, 500)
    furthest = np.minimum(now + random.integers(0, 4, 500), END)
    ladder = Ladder.learn(now, furthest, random.random(500) < 0.5)
    steps = ladder.climb(stage, closing)
    up = [p for start, to, p in steps if to != "lost"]
    assert np.prod(up) == pytest.approx(closing, rel=1e-9)
    out = {}
    for start, _, p in steps:
        out[start] = out.get(start, 0.0) + p
    assert all(total <= 1 + 1e-12 for total in out.values())
