from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.errors import NotEnoughData
from hki_ml.learning.split import split_in_time

START = pd.Timestamp("2015-01-01", tz="UTC")


def times(days: list[int]) -> pd.Series:
    return pd.Series([START + pd.Timedelta(days=day) for day in days])


@given(st.lists(st.integers(0, 900), min_size=2, max_size=60), st.integers(1, 900))
def test_nothing_that_teaches_is_as_late_as_anything_that_is_tested(
    days: list[int], cut: int
) -> None:
    cutoff = START + pd.Timedelta(days=cut)
    if not min(days) < cut <= max(days):
        with pytest.raises(NotEnoughData):
            split_in_time(times(days), cutoff=cutoff)
        return
    split = split_in_time(times(days), cutoff=cutoff)
    assert times(days)[split.teach].max() < cutoff <= times(days)[split.test].min()
    assert (split.teach ^ split.test).all()


def test_what_came_after_the_judged_period_is_in_neither_part() -> None:
    split = split_in_time(
        times([0, 10, 20]),
        cutoff=START + pd.Timedelta(days=5),
        until=START + pd.Timedelta(days=20),
    )
    assert split.teach.tolist() == [True, False, False]
    assert split.test.tolist() == [False, True, False]
