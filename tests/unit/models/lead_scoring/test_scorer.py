import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hki_ml.errors import ArtifactRefused, NotEnoughData
from hki_ml.learning.contributions import coalitions
from hki_ml.learning.lead_clock import KINDS
from hki_ml.metrics.classification import auc
from hki_ml.models.lead_scoring import artifact, predict
from hki_ml.models.lead_scoring.labels import labels
from hki_ml.models.lead_scoring.scale import points_of
from hki_ml.models.lead_scoring.train import train
from tests.unit.models.lead_scoring.conftest import CUTOFF


def answers(room, rows):
    states = rows.to_dict("records")
    return [room.answer(s, as_of=s["event_timestamp"].to_pydatetime()) for s in states]


def test_later_leads_are_told_apart(scorer, later):
    found = labels(later)
    rows = later[found.matured]
    assert auc(found.closed[found.matured], scorer.margin(scorer.table(rows))) > 0.75


def test_one_lead_and_many_leads_get_the_same_score(room, later):
    rows = later.iloc[::17]
    margins = room.margin_of(rows)
    assert [a.margin for a in answers(room, rows)] == pytest.approx(margins.tolist(), abs=1e-9)


def test_reasons_add_up_and_shares_sum_to_one(room, later):
    for answer in answers(room, later.iloc[::23]):
        base = math.log(answer.reference_probability / (1 - answer.reference_probability))
        assert base + sum(d.log_odds for d in answer.drivers) == pytest.approx(
            answer.margin, abs=1e-6
        )
        assert sum(answer.factors.values()) == pytest.approx(1.0)
        assert answer.score == points_of(answer.margin)
        assert answer.probability == pytest.approx(1 / (1 + math.exp(-answer.margin)))


def test_without_its_top_reason_a_score_moves_the_way_that_was_said(room, scorer, later):
    table = scorer.table(later.iloc[:500])
    explainer = room.explainer
    members = coalitions(len(explainer.factors))
    kept = 0
    for row in table:
        values, _ = explainer.values(scorer, row)
        top = int(np.argmax(np.abs(values)))
        neutral = np.where(explainer.group == top, explainer.typical, row)
        both = scorer.margin(np.stack([row, neutral]))
        kept += np.sign(both[0] - both[1]) == np.sign(values[top])
    assert members.shape[1] == len(explainer.factors)
    assert kept / len(table) >= 0.99


def _top(size):
    return {i for i in np.argsort(-size, kind="stable")[:3] if size[i] > 1e-9}


def test_top_reasons_stay_under_small_noise(room, scorer, later):
    random = np.random.default_rng(0)
    table = scorer.table(later.iloc[:300])
    spread = np.nan_to_num(np.nanstd(np.where(np.isnan(table), 0, table), axis=0))
    noisy = table + 0.01 * spread * random.normal(size=table.shape)
    alike = []
    for row, moved in zip(table, noisy, strict=True):
        tops = [_top(np.abs(room.explainer.values(scorer, r)[0])) for r in (row, moved)]
        alike.append(len(tops[0] & tops[1]) / len(tops[0] | tops[1]))
    assert np.mean(alike) >= 0.8


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 200), st.lists(st.floats(0.01, 25.0), max_size=6), st.floats(0.01, 25.0))
def test_one_more_reply_never_lowers_a_score(room, later, at, replies, another):
    state = later.iloc[at].to_dict()
    born = state["lead_created_at_us"] / 1e6
    as_of = datetime.fromtimestamp(born, UTC) + timedelta(days=26)
    reply = KINDS.index("lead.replied")
    scores = []
    for days in (replies, [*replies, another]):
        said = [[reply] * len(days), [born + 86_400 * d for d in days]]
        scores.append(room.answer({**state, "lead_moments_json": json.dumps(said)}, as_of=as_of))
    assert scores[1].margin >= scores[0].margin - 1e-9


def test_a_lead_of_which_nothing_is_known_gets_low_confidence_and_no_error(room):
    answer = room.answer({}, as_of=datetime(2024, 6, 1, tzinfo=UTC))
    assert 0 < answer.probability < 1
    assert answer.confidence <= 0.5
    assert answer.completeness < 0.5


def test_activities_after_the_moment_change_nothing(room, later):
    state = later.iloc[3].to_dict()
    as_of = state["event_timestamp"].to_pydatetime()
    kinds, times = json.loads(state["lead_moments_json"])
    more = json.dumps([[*kinds, 1], [*times, as_of.timestamp() + 60]])
    assert room.answer(state, as_of=as_of) == room.answer(
        {**state, "lead_moments_json": more}, as_of=as_of
    )


def test_a_stale_state_lowers_confidence(room, later):
    state = later.iloc[3].to_dict()
    then = state["event_timestamp"].to_pydatetime()
    late = then + timedelta(days=800)
    assert room.answer(state, as_of=late).confidence < 0.2


def test_actions_raise_the_score_and_are_said_to_be_correlational(room, later):
    found = [a for answer in answers(room, later.iloc[:60]) for a in answer.actions]
    assert {a.action for a in found} >= {"have_a_conversation"}
    assert all(a.probability_change > 0 and a.kind == "correlational" for a in found)


def test_what_is_saved_is_what_is_loaded(scorer, later, tmp_path):
    artifact.save(scorer, tmp_path)
    loaded = predict.load(tmp_path, "7")
    assert loaded.version == "7"
    assert np.array_equal(loaded.margin_of(later), scorer.margin(scorer.table(later)))
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    artifact.save(loaded.scorer, tmp_path)
    assert first == {p.name: p.read_bytes() for p in tmp_path.iterdir()}


def test_an_altered_file_is_refused(scorer, tmp_path):
    artifact.save(scorer, tmp_path)
    text = (tmp_path / "model.json").read_text()
    (tmp_path / "model.json").write_text(text.replace('"usual"', '"usuaI"'))
    with pytest.raises(ArtifactRefused, match=r"SHA-256.*model\.json"):
        predict.load(tmp_path, "7")


def test_the_same_leads_and_seed_give_the_same_bytes(scorer, leads, tmp_path):
    again = train(leads, as_of=CUTOFF, seed=0)
    for name, one in (("a", scorer), ("b", again)):
        artifact.save(one, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_what_came_to_be_known_later_does_not_change_what_was_learned(scorer, leads):
    known = leads[leads["created_at"] < CUTOFF]
    flipped = known.assign(
        outcome=known["outcome"].where(known["ended_known_at"] < CUTOFF, "closed")
    )
    again = train(flipped, as_of=CUTOFF, seed=0)
    assert np.array_equal(again.margin(scorer.check[0]), scorer.margin(scorer.check[0]))


def test_both_libraries_are_tried_in_every_run(scorer):
    names = [t["name"] for t in scorer.note["tried"]]
    assert {name.split(",")[0] for name in names} == {"xgboost", "lightgbm"}
    assert scorer.note["kept"] in names


def test_too_few_closings_are_refused(leads):
    with pytest.raises(NotEnoughData, match=r"at least 30 closings"):
        train(leads.head(60), as_of=pd.Timestamp("2030-01-01", tz="UTC"))


def test_reasons_speak_of_the_features_behind_them_as_a_person_would():
    from hki_ml.models.lead_scoring.explain import spoken

    said = spoken(
        ["fact_reason_for_selling", "lead_recency", "property_value_estimate"],
        {
            "fact_reason_for_selling": "job_move",
            "lead_recency": 3.04,
            "property_value_estimate": None,
        },
    )
    assert said == "reason for selling job move, lead recency 3.04, property value estimate unknown"


def test_what_calls_change_is_what_the_actions_of_each_answer_say(scorer, leads):
    from hki_ml.models.lead_scoring.predict import LeadScorer

    rows = leads[leads["created_at"] >= CUTOFF].head(120).reset_index(drop=True)
    room = LeadScorer(scorer, version="1")
    gain, drew = room.gain_of_calls(rows)
    assert not drew.any()  # nobody drew lots in this market
    for at, row in enumerate(rows.to_dict("records")):
        said = room.answer(row, as_of=row["event_timestamp"].to_pydatetime())
        told = {action.action: action.probability_change for action in said.actions}
        if gain[at] > 0:
            assert told["call_within_a_day"] == pytest.approx(gain[at], abs=1e-12)
        else:
            assert "call_within_a_day" not in told
