import json
from datetime import UTC

import numpy as np
import pytest

from hki_ml.errors import ArtifactRefused
from hki_ml.learning.judged import COLUMNS, WAITED
from hki_ml.models.time_to_close import room
from hki_ml.models.time_to_close.predict import load
from tests.unit.models.leads import state_of


def asked(rows, n):
    row = rows.iloc[n]
    return state_of(row), row["event_timestamp"].to_pydatetime().astimezone(UTC)


def test_one_answer_is_the_row_of_the_table(model, rows):
    closed, _ = model.curves(rows.iloc[5:8])
    state, as_of = asked(rows, 6)
    said = model.answer(state, as_of=as_of)
    np.testing.assert_allclose(
        [day.closed for day in said.distribution],
        model.cox.at(closed, [day.days for day in said.distribution])[1], atol=1e-12,
    )  # fmt: skip
    assert said.never_probability == pytest.approx(1 - closed[1, -1])
    assert not said.is_anchored


@pytest.mark.parametrize("close_90", [0.0, 1e-4, 0.2, 0.7, 0.999, 1.0])
def test_an_anchored_curve_meets_its_anchor_and_stays_possible(model, rows, close_90):
    state, as_of = asked(rows, 10)
    said = model.answer(state, as_of=as_of, close_90=close_90)
    by = {day.days: day for day in said.distribution}
    assert by[90].closed == pytest.approx(close_90, abs=1e-8)
    assert all(day.closed + day.lost <= 1 + 1e-12 for day in said.distribution)
    assert said.never_probability <= 1 - by[180].closed + 1e-12
    assert said.quantiles["p10"] <= said.median_days <= said.quantiles["p90"]
    assert 0 < said.expected_days <= 365


def test_a_whole_curve_can_be_met(model, rows):
    state, as_of = asked(rows, 10)
    curve = ((14, 0.05), (30, 0.11), (60, 0.2), (90, 0.31), (180, 0.4))
    by = {
        day.days: day.closed for day in model.answer(state, as_of=as_of, curve=curve).distribution
    }
    for day, wanted in curve:
        assert by[day] == pytest.approx(wanted, abs=1e-9)


def test_the_risk_factors_add_up_to_the_hazard_ratio(model, rows):
    state, as_of = asked(rows, 3)
    said = model.answer(state, as_of=as_of)
    logs = [np.log(factor.hazard_ratio) for factor in said.risk_factors]
    assert sum(logs) == pytest.approx(np.log(said.hazard_ratio), abs=1e-9)
    assert {f.factor for f in said.risk_factors} >= {"lead_facts", "engagement_level"}


def test_what_closes_sooner_has_the_higher_hazard_ratio(model, rows):
    state, as_of = asked(rows, 3)
    dear = {**state, "lead_facts_json": json.dumps({"price": 1.5})}
    cheap = {**state, "lead_facts_json": json.dumps({"price": -1.5})}
    assert (
        model.answer(dear, as_of=as_of).hazard_ratio > model.answer(cheap, as_of=as_of).hazard_ratio
    )


def test_an_opportunity_saves_days_within_its_interval(model, rows):
    found = [
        offer
        for n in range(40)
        for offer in model.answer(
            asked(rows, n)[0], as_of=asked(rows, n)[1]
        ).acceleration_opportunities
    ]
    assert found
    assert all(offer.low <= offer.days_saved <= offer.high for offer in found)
    assert all(offer.days_saved > 0 for offer in found)


def test_a_lead_of_which_nothing_is_known_gets_an_answer(model):
    from datetime import datetime

    as_of = datetime(2021, 9, 2, tzinfo=UTC)
    said = model.answer({"lead_created_at_us": as_of.timestamp() * 1e6}, as_of=as_of)
    assert 0 < said.never_probability < 1


def test_a_saved_model_says_the_same_and_the_same_bytes_are_written(model, rows, tmp_path):
    room.save(model, tmp_path / "a", notes={})
    room.save(model, tmp_path / "b", notes={})
    for name in ("model.json", "arrays.npz", "manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = load(tmp_path / "a", "v1")
    state, as_of = asked(rows, 4)
    assert loaded.answer(state, as_of=as_of, close_90=0.3) == model.answer(
        state, as_of=as_of, close_90=0.3
    )


def test_an_altered_file_is_refused(model, tmp_path):
    room.save(model, tmp_path, notes={})
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ArtifactRefused, match="SHA-256"):
        load(tmp_path)


def test_later_outcomes_change_nothing_of_what_is_learned(rows):
    import pandas as pd

    from hki_ml.models.time_to_close.cox import Terms
    from hki_ml.models.time_to_close.train import train

    as_of = pd.Timestamp("2021-06-01", tz="UTC")
    late = rows["ended_known_at"] > as_of
    changed = rows.copy()
    changed.loc[late, "outcome"] = "lost"
    one, other = (train(r, as_of=as_of, seed=0, terms=Terms()) for r in (rows, changed))
    np.testing.assert_array_equal(one.cox.coefficient, other.cox.coefficient)


def test_a_backtest_tells_why_it_would_be_refused(rows):
    import pandas as pd

    found = room.backtest(
        rows, cutoff=pd.Timestamp("2021-06-01", tz="UTC"), until=None, seed=0, threads=1
    )
    report = json.loads(json.dumps(found.as_json()))
    assert report["side by side"]["ours"]["C"]["value"] > 0.6
    assert "side by side" in str(found)
    assert tuple(found.losses) == COLUMNS + WAITED
    report["side by side"]["ours"]["decile"]["value"] = 0.4
    assert any("decile" in problem for problem in room.problems(report))


def test_whoever_watches_it_hears_what_it_answers(model, rows, tmp_path):
    room.save(model, tmp_path, notes={})
    speaker = room.speaker(tmp_path)
    said = speaker.margin(speaker.table(rows.iloc[:20]))
    for n in range(20):
        state, as_of = asked(rows, n)
        by = {day.days: day.closed for day in model.answer(state, as_of=as_of).distribution}
        assert 1 / (1 + np.exp(-said[n])) == pytest.approx(by[90], abs=1e-9)
