import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hki_ml.errors import GateRefused, NotEnoughData
from hki_ml.models.lead_scoring import predict, room
from hki_ml.models.lead_scoring.boosters import Recipe
from hki_ml.models.lead_scoring.compare import Tried, keep
from hki_ml.models.lead_scoring.labels import labels
from hki_ml.models.lead_scoring.train import prepare, train
from tests.unit.models.lead_scoring.conftest import CUTOFF
from tests.unit.models.lead_scoring.market import DAY, START, market, with_fact

LATE = pd.Timestamp("2030-01-01", tz="UTC")


@pytest.fixture(scope="module")
def trial(leads):
    return room.trial(leads, seed=0, threads=1)


def test_a_trial_judges_later_leads_only_and_beside_plain_models(trial, leads):
    assert set(trial.report["side by side, as_known"]) == {
        "ours", "logistic regression", "untuned LightGBM",
    }  # fmt: skip
    ours = trial.report["side by side, strict"]["ours"]["AUC"]
    assert 0.65 < ours["low"] < ours["value"] < ours["high"] < 1
    assert (trial.losses["happened_at"] >= trial.cutoff).all()
    assert trial.losses["example_id"].is_unique
    assert json.loads(json.dumps(trial.report))
    assert trial.figures["auc"] == trial.report["overall, as_known"]["all"]["AUC"]["value"]


def test_the_trial_record_is_kept_with_the_model(trial, leads, tmp_path):
    fitted = room.fit(leads, as_of=CUTOFF.to_pydatetime(), seed=0, threads=1, trial=trial)
    room.save(fitted, tmp_path, notes={"who": "test"})
    loaded = predict.load(tmp_path, "1")
    bands = loaded.scorer.note[room.RECORD]["bands"]
    assert bands == trial.report["score bands, as_known"]
    lost = room.losses(tmp_path, leads, since=CUTOFF.to_pydatetime())
    assert len(lost) == labels(leads[leads["created_at"] >= CUTOFF]).matured.sum()


def test_errors_fall_as_confidence_rises(trial):
    rows = list(trial.report["by confidence, as_known"].values())
    errors = [row["mean error"]["value"] for row in rows]
    assert np.corrcoef(np.arange(10), errors)[0, 1] < -0.6
    assert np.mean(errors[-3:]) < np.mean(errors[:3])


def test_a_model_that_is_behind_or_miscalibrated_is_not_promoted(trial):
    report = json.loads(json.dumps(trial.report))
    beside = report["side by side, as_known"]
    beside["untuned LightGBM"]["AUC"]["value"] = 0.99
    beside["ours"]["dECE"] = {"value": 0.2, "low": 0.15, "high": 0.25}
    beside["ours"]["slope"] = {"value": 0.4, "low": 0.3, "high": 0.5}
    found = room.problems(report)
    assert [text.split(":")[0] for text in found] == [
        "AUC", "debiased calibration error", "calibration slope",
    ]  # fmt: skip


def test_nothing_to_judge_is_told(leads):
    with pytest.raises(NotEnoughData, match="test rows that have had their horizon"):
        room.backtest(leads, cutoff=LATE.to_pydatetime(), until=None, seed=0, threads=1)


def test_a_leaking_fact_is_refused_by_name(leads):
    random = np.random.default_rng(0)
    truth = (leads["outcome"] == "closed").to_numpy()
    cost = [180.0 if random.random() < (0.9 if c else 0.02) else None for c in truth]
    with pytest.raises(GateRefused, match="fact_title_order"):
        prepare(with_fact(leads, "title_order", cost), as_of=LATE)


def test_a_protected_column_is_refused_by_name_by_value_and_under_another_name(leads):
    random = np.random.default_rng(0)
    group = random.choice(np.array(["a", "b"], object), len(leads))
    sex = np.where(group == "a", "Female", "Male")
    for name, values in (("gender", np.ones(len(leads))), ("x9", sex)):
        with pytest.raises(GateRefused, match=name):
            prepare(with_fact(leads, name, values.tolist()), as_of=LATE)
    code = np.where(group == "a", 4.0, 2.0).tolist()
    smuggled = with_fact(leads, "mailing_segment", code).assign(protected_race=group)
    with pytest.raises(GateRefused, match="mailing_segment"):
        prepare(smuggled, as_of=LATE)
    prepare(with_fact(leads, "mailing_segment", code), as_of=LATE)


def test_a_batch_of_self_labels_is_refused(leads):
    random = np.random.default_rng(0)
    score = random.random(len(leads))
    outcome = np.where(score > 0.6, "closed", "lost")
    ours = leads.assign(
        recorded_score=score, outcome=outcome, outcome_source="batch-9",
        ended_at=leads["event_timestamp"] + DAY, ended_known_at=leads["event_timestamp"] + DAY,
    )  # fmt: skip
    with pytest.raises(GateRefused, match="batch-9"):
        prepare(ours, as_of=LATE)
    with pytest.raises(GateRefused, match="lead-scoring-export"):
        prepare(leads.assign(outcome_source="lead-scoring-export"), as_of=LATE)


def test_of_equals_the_least_discriminatory_is_kept():
    def tried(loss, discrimination):
        recipe = Recipe("xgboost", 2, follows_rate=False)
        return Tried(recipe, loss, 0.01, 0.8, np.array([0]), np.array([0.0]), {}, discrimination)

    best, equal, worse = tried(0.300, 0.5), tried(0.308, 0.2), tried(0.32, 0.0)
    assert keep([best, equal, worse]) is equal
    assert keep([tried(0.3, 0.0), tried(0.305, 0.0)]).loss == 0.3


def test_groups_are_audited_and_never_learned_from(leads):
    random = np.random.default_rng(3)
    group = random.choice(np.array(["a", "b"], object), len(leads))
    scorer = train(leads.assign(protected_race=group), as_of=CUTOFF, seed=0)
    assert not [name for name in scorer.matrix.names if "protected" in name]
    assert all("race" in tried["groups"] for tried in scorer.note["tried"])


def test_score_80_means_the_same_odds_in_two_successive_versions():
    frame = market(6_000, seed=5, landmarks=(0, 7))
    share = []
    for cut in (CUTOFF - 60 * DAY, CUTOFF):
        scorer = train(frame, as_of=cut, seed=0)
        test = frame[(frame["created_at"] >= CUTOFF)]
        found = labels(test)
        margin = scorer.margin(scorer.table(test))[found.matured]
        near = np.abs(margin - np.log(1 / 9) - 3 * np.log(2)) < 0.6
        closed = found.closed[found.matured][near].mean()
        said = (1 / (1 + np.exp(-margin[near]))).mean()
        share.append(np.log(closed / (1 - closed)) - np.log(said / (1 - said)))
    assert abs(share[0] - share[1]) < 0.2


def test_labels_of_young_leads_count_as_far_as_closings_show():
    frame = market(2_000, seed=2, landmarks=(0,))
    full = labels(frame)
    young = frame.assign(known_until=START + 300 * DAY)
    young = young[young["event_timestamp"] < START + 300 * DAY]
    late = ~(young["ended_known_at"] <= START + 300 * DAY)
    young.loc[late, "outcome"] = None
    young.loc[late, ["ended_at", "ended_known_at"]] = pd.NaT
    found = labels(young)
    is_young = ~found.matured
    assert ((found.weight >= 0) & (found.weight <= 1)).all()
    rate = np.average(found.closed[is_young], weights=found.weight[is_young])
    truth = full.closed[full.matured].mean()
    assert rate == pytest.approx(truth, rel=0.35)
    naive = found.closed[is_young].mean()
    assert abs(rate - truth) < abs(naive - truth)


def test_the_spine_is_a_row_a_lead_and_landmark_with_where_its_end_came_from():
    born = pd.Timestamp("2024-01-01", tz="UTC")
    table = pa.table({
        "lead_id": ["a", "b"], "created_at": [born, born], "created_known_at": [born, born],
        "outcome": ["closed", None], "ended_at": pd.Series([born + 5 * DAY, pd.NaT]),
        "ended_known_at": pd.Series([born + 5 * DAY, pd.NaT]), "outcome_source": ["crm", None],
    })  # fmt: skip
    rows = room.spine({"leads": table})
    assert sorted(rows[rows["lead_id"] == "a"]["landmark_days"]) == [0, 1, 3]
    assert rows[rows["lead_id"] == "a"]["outcome_source"].eq("crm").all()
    assert (rows["known_until"] == born + 5 * DAY).all()


def test_whoever_watches_it_hears_what_it_answers(trial, leads, tmp_path):
    fitted = room.fit(leads, as_of=CUTOFF.to_pydatetime(), seed=0, threads=1, trial=trial)
    room.save(fitted, tmp_path, notes={})
    speaker, scorer = room.speaker(tmp_path), predict.load(tmp_path, "1").scorer
    some = leads.iloc[:200]
    said = speaker.margin(speaker.table(some))
    assert (said == scorer.margin(scorer.table(some))).all()
    assert said.std() > 0.1
