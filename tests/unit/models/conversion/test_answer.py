import json
from datetime import UTC

import numpy as np
import pandas as pd
import pytest

from hki_ml.errors import ArtifactRefused
from hki_ml.models.conversion import room
from hki_ml.models.conversion.labels import EDGES
from hki_ml.models.conversion.predict import load, tilted
from tests.unit.models.leads import state_of

HORIZONS = (14, 30, 60, 90, 180)


def asked(rows, n):
    row = rows.iloc[n]
    return state_of(row), row["event_timestamp"].to_pydatetime().astimezone(UTC)


def test_the_packed_trees_say_what_lightgbm_says(model, rows):
    import lightgbm as lgb

    from hki_ml.models.conversion.features import every_period

    booster = lgb.Booster(model_str=model.booster_text)
    table = model.table(rows.iloc[:50])
    theirs = booster.predict(every_period(table)).reshape(50, len(EDGES), 3)
    learned = slice(0, model.last_period + 1)
    np.testing.assert_allclose(model.hazards(table)[:, learned], theirs[:, learned], atol=1e-9)


def test_the_curve_never_falls_and_stays_below_one(model, rows):
    closed = model.closed(model.table(rows.iloc[:300]))
    assert np.all(np.diff(closed, axis=1) >= 0)
    assert np.all((closed >= 0) & (closed < 1))


@pytest.mark.parametrize("close_90", [0.0, 1e-3, 0.4, 0.999, 1.0])
def test_a_tilted_curve_meets_its_anchor(model, rows, close_90):
    state, as_of = asked(rows, 9)
    said = model.answer(state, as_of=as_of, close_90=close_90, horizons=HORIZONS)
    by = dict(said.horizons)
    assert said.is_anchored
    assert by[90] == pytest.approx(close_90, abs=1e-8)
    assert list(by.values()) == sorted(by.values())
    assert by[180] < 1
    up = [p for _, to, p in said.stages if to != "lost"]
    assert np.prod(up) == pytest.approx(by[90], rel=1e-6, abs=1e-12)


def test_tilting_to_what_is_said_changes_nothing(model, rows):
    closed = model.closed(model.table(rows.iloc[:20]))
    same = tilted(closed, closed[:, EDGES.index(90.0)])
    np.testing.assert_allclose(same, closed, atol=1e-6)


def test_one_answer_is_the_row_of_the_table(model, rows):
    from hki_ml.models.conversion.predict import at_days

    closed = model.closed(model.table(rows.iloc[3:6]))
    state, as_of = asked(rows, 4)
    said = model.answer(state, as_of=as_of, horizons=HORIZONS)
    np.testing.assert_array_equal(
        [p for _, p in said.horizons], at_days(closed, np.array(HORIZONS, float))[1]
    )


def test_a_saved_model_says_the_same_and_the_same_bytes_are_written(model, rows, tmp_path):
    room.save(model, tmp_path / "a", notes={})
    room.save(model, tmp_path / "b", notes={})
    for name in ("model.json", "arrays.npz", "booster.txt", "manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = load(tmp_path / "a", "v1")
    assert loaded.version == "v1"
    state, as_of = asked(rows, 4)
    assert loaded.answer(state, as_of=as_of) == model.answer(state, as_of=as_of)


def test_an_altered_file_is_refused(model, tmp_path):
    room.save(model, tmp_path, notes={})
    (tmp_path / "booster.txt").write_text("tree")
    with pytest.raises(ArtifactRefused, match="SHA-256"):
        load(tmp_path)


def test_later_outcomes_change_nothing_of_what_is_learned(rows):
    from hki_ml.models.conversion.train import train

    as_of = pd.Timestamp("2021-06-01", tz="UTC")
    changed = rows.copy()
    changed.loc[rows["ended_known_at"] > as_of, "outcome"] = "lost"
    one, other = (train(r, as_of=as_of, seed=0, rounds=5) for r in (rows, changed))
    assert one.booster_text == other.booster_text
    np.testing.assert_array_equal(one.ladder.going_on, other.ladder.going_on)


def test_a_backtest_tells_why_it_would_be_refused(rows):
    found = room.backtest(
        rows, cutoff=pd.Timestamp("2021-05-01", tz="UTC"), until=None, seed=0, threads=1
    )
    report = json.loads(json.dumps(found.as_json()))
    assert report["90 days"]["ours"]["AUC"]["value"] > 0.6
    assert "by month" in str(found)
    report["by month"]["all"]["off"]["value"] = 0.4
    report["90 days"]["logistic"]["log_loss"]["value"] = 0.01
    assert len(room.problems(report)) >= 2


def test_whoever_watches_it_hears_what_it_answers(model, rows, tmp_path):
    room.save(model, tmp_path, notes={})
    speaker = room.speaker(tmp_path)
    said = speaker.margin(speaker.table(rows.iloc[:20]))
    for n in range(20):
        state, as_of = asked(rows, n)
        alone = dict(model.answer(state, as_of=as_of, horizons=(90,)).horizons)[90]
        assert 1 / (1 + np.exp(-said[n])) == pytest.approx(alone, abs=1e-9)
