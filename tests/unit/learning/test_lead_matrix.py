import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.learning.lead_matrix import LeadMatrix, fit_matrix

START = pd.Timestamp("2024-01-01", tz="UTC")
DAY = pd.Timedelta(days=1)


def leads(days, levels, closed, took=5.0, known_until=10_000.0):
    created = START + pd.to_timedelta(pd.Series(days, dtype=float), unit="D")
    ended = created + took * DAY
    rows = pd.DataFrame({
        "lead_id": [f"lead-{i}" for i in range(len(days))],
        "event_timestamp": created, "created_at": created,
        "outcome": np.where(closed, "closed", "lost"),
        "ended_at": ended, "ended_known_at": ended, "known_until": START + known_until * DAY,
    })  # fmt: skip
    return rows, pd.DataFrame({"lead_source": np.array(levels, object)})


def test_a_level_that_closes_more_than_leads_of_its_days_stands_above_zero():
    random = np.random.default_rng(0)
    level = random.choice(["good", "bad"], 4_000)
    closed = random.random(4_000) < np.where(level == "good", 0.4, 0.1)
    rows, features = leads(np.arange(4_000) / 8, level, closed)
    matrix, table = fit_matrix(features, rows, horizon_days=10.0)
    ratio = matrix.rates["lead_source"].log_ratio
    assert ratio["good"] - ratio["bad"] == pytest.approx(np.log(4), abs=0.15)
    assert table[-1, 0] == pytest.approx(ratio[level[-1]], abs=0.05)


def test_a_level_of_a_good_year_is_not_a_good_level():
    random = np.random.default_rng(1)
    days = np.arange(6_000) / 4
    is_late = days > 750
    level = np.where(random.random(6_000) < np.where(is_late, 0.9, 0.1), "late", "early")
    rows, features = leads(days, level, random.random(6_000) < np.where(is_late, 0.4, 0.1))
    ratio = fit_matrix(features, rows, horizon_days=10.0)[0].rates["lead_source"].log_ratio
    assert abs(ratio["late"]) < 0.15


def test_rare_and_unknown_levels_say_little():
    rows, features = leads(np.arange(200), ["usual"] * 199 + ["rare"], [False] * 199 + [True])
    matrix, _ = fit_matrix(features, rows, horizon_days=10.0)
    assert abs(matrix.rates["lead_source"].log_ratio["rare"]) < 1.0
    assert matrix.row({"lead_source": "never seen"})[0, 0] == 0.0


def test_a_lead_younger_than_a_week_does_not_count():
    rows, features = leads([0.0, 9.0], ["a", "b"], [True, True], known_until=15.5)
    matrix, _ = fit_matrix(features, rows, horizon_days=10.0)
    assert matrix.rates["lead_source"].count == {"a": 1}


def test_a_category_that_says_the_same_of_all_says_nothing():
    random = np.random.default_rng(3)
    closed = random.random(800) < np.where(np.arange(800) < 400, 0.1, 0.4)
    rows, features = leads(np.arange(800) / 4, [None] * 800, closed)
    matrix, table = fit_matrix(features, rows, horizon_days=30.0)
    assert np.abs(table).max() < 1e-9
    assert matrix.rates["lead_source"].log_ratio[""] == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 400), st.sampled_from("abc"), st.booleans()), min_size=3),
    st.data(),
)
def test_a_row_never_sees_an_outcome_that_was_not_known_before_it(drawn, data):
    days, levels, closed = zip(*sorted(drawn), strict=True)
    rows, features = leads(days, levels, closed)
    _, before = fit_matrix(features, rows, horizon_days=9.0)
    moment = data.draw(st.sampled_from(days))
    # Every outcome that came to be known at or after the moment turns into its opposite.
    late = (rows["ended_known_at"] >= START + moment * DAY).to_numpy()
    turned, _ = leads(days, levels, np.where(late, ~np.array(closed), closed))
    _, after = fit_matrix(features, turned, horizon_days=9.0)
    earlier = np.array(days) <= moment
    assert np.allclose(before[earlier], after[earlier], rtol=0, atol=1e-12)


def test_one_lead_many_leads_and_a_stored_matrix_say_the_same():
    random = np.random.default_rng(2)
    rows, features = leads(
        np.arange(300), random.choice(list("abc"), 300), random.random(300) < 0.3
    )
    features["fact_rooms"] = random.normal(size=300)
    features.loc[5, "fact_rooms"] = np.inf
    matrix, _ = fit_matrix(features, rows, horizon_days=10.0)
    again = LeadMatrix.of_described(json.loads(json.dumps(matrix.described())))
    table = again.table(features)
    assert np.isnan(table[5, 1])
    for i in range(0, 300, 37):
        assert np.array_equal(
            again.row(features.iloc[i].to_dict()), table[i : i + 1], equal_nan=True
        )


def test_what_is_not_given_or_of_another_kind_is_unknown():
    rows, features = leads(np.arange(50), ["a"] * 50, [True, False] * 25)
    matrix, _ = fit_matrix(features.assign(fact_n=1.0), rows, horizon_days=10.0)
    assert np.isnan(matrix.row({"fact_n": "text"})[0, 1])
    assert matrix.factors == ("lead_source", "lead_facts")
    assert matrix.table(pd.DataFrame({"fact_other": [1.0]})).shape == (1, 2)
