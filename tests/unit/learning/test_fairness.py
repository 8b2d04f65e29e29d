import numpy as np
import pandas as pd
import pytest

from hki_ml.learning.fairness import why_barred

N = 2_000


@pytest.fixture
def group():
    return np.random.default_rng(0).choice(np.array(["a", "b", "c"], object), N)


def frame(**facts):
    return pd.DataFrame({f"fact_{name}": values for name, values in facts.items()})


def test_a_feature_is_barred_by_its_name(group):
    (reason,) = why_barred(frame(applicantSex=np.ones(N)), {})
    assert "applicantSex" in reason


def test_a_feature_is_barred_by_what_it_says():
    values = np.array(["Female", "Male", None, "x"], object)
    (reason,) = why_barred(frame(x17=values), {})
    assert "x17" in reason


def test_a_number_that_codes_a_protected_group_is_barred_whatever_its_order(group):
    random = np.random.default_rng(1)
    code = pd.Series(group).map({"a": 7.0, "b": 1.0, "c": 3.0}).to_numpy()
    smuggled = np.where(random.random(N) < 0.01, 7.0, code)
    fine = random.normal(size=N)
    (reason,) = why_barred(frame(segment=smuggled, other=fine), {"race": group})
    assert "'segment'" in reason
    hidden = code + 0.1 * random.normal(size=N)
    assert len(why_barred(frame(index_4=hidden), {"race": group})) == 1


def test_a_feature_that_goes_with_a_group_somewhat_is_not_barred(group):
    income = np.where(group == "a", 1.0, 0.0) + np.random.default_rng(2).normal(size=N)
    assert why_barred(frame(income=income), {"race": group}) == ()
