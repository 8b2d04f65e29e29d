import numpy as np

from hki_ml.learning.lead_labels import Ends
from hki_ml.models.time_to_close.cox import Terms
from hki_ml.models.time_to_close.proportionality import schoenfeld


def test_an_effect_that_turns_is_found_and_a_break_there_mends_it():
    random = np.random.default_rng(0)
    x = random.normal(size=(2000, 3))
    early = random.exponential(20 * np.exp(-1.2 * x[:, 0]))
    late = 10 + random.exponential(20 * np.exp(1.2 * x[:, 0]))
    ends = Ends(np.where(early < 10, early, late), np.ones(2000, np.int64))
    none = np.zeros(2000, np.int64)
    (whole,) = schoenfeld(x, ends, none, Terms(penalizer=1e-3), ("turns", "b", "c"))
    assert whole["worst"] == "turns"
    assert whole["p"] < 1e-6
    parts = schoenfeld(x, ends, none, Terms(penalizer=1e-3, breaks=(10.0,)), ("turns", "b", "c"))
    assert [part["p"] > 1e-4 for part in parts] == [True, True], parts
