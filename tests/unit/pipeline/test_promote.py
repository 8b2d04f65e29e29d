"""The gate over judged rows: what makes a candidate better, as good, worse, unclear or refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from hki_ml.adapters.lake import DeltaLake
from hki_ml.learning.judged import COLUMNS, judged
from hki_ml.metrics.paired import gap
from hki_ml.monitor_tables import INCIDENTS
from hki_ml.monitoring.incident import Incident
from hki_ml.pipeline.gates import (
    AS_GOOD,
    BETTER,
    FEWEST_ENTITIES,
    UNCLEAR,
    WORSE,
    Protected,
    compare,
    shrunken,
    slower,
)
from hki_ml.pipeline.promote import compared_by, moved_since
from hki_ml.pipeline.train import LOSSES_FILE, MEETING_FILE, MET_SINCE
from hki_ml.ports import ModelVersion


def rows(n: int, *, mean: float = 0.10, seed: int = 0, each: int = 1) -> pd.DataFrame:
    """Judged rows of prices, ``each`` an entity."""
    made = np.random.default_rng(seed)
    names = pd.Series([f"sale {i}" for i in range(n)])
    return judged(
        example_id=names,
        happened_at=pd.Series(pd.date_range("2024-01-01", periods=n, freq="h")),
        entity=pd.Series([f"home {i // each}" for i in range(n)]),
        segment=pd.Series(np.where(np.arange(n) % 4 == 0, "north", "south")),
        outcome=made.lognormal(13, 0.5, n),
        loss=made.gamma(2.0, mean / 2, n),
    )


def other(champion: pd.DataFrame, share: float, *, noise: float = 0.01, seed: int = 1):
    made = np.random.default_rng(seed)
    loss = champion["loss"] * (1 + share) + made.normal(0, noise, len(champion))
    return champion.assign(loss=loss)


def odds(n: int, *, skill: float, seed: int = 0, sharpness: float = 1.0, rate: float = -2.2):
    """Judged rows of yes-or-no: the part ``skill`` of what drives the outcome is seen."""
    made = np.random.default_rng(seed)
    drive = made.normal(0, 1.6, n)
    truth = (made.random(n) < 1 / (1 + np.exp(-(rate + drive)))).astype(float)
    seen = skill * drive + np.sqrt(max(1 - skill**2, 0)) * 1.6 * made.normal(0, 1, n) * skill
    said = 1 / (1 + np.exp(-(rate + 0.1 + sharpness * seen)))
    return judged(
        example_id=[f"lead {i}" for i in range(n)],
        happened_at=pd.Series(pd.date_range("2024-01-01", periods=n, freq="h")),
        entity=pd.Series([f"lead {i}" for i in range(n)]),
        outcome=truth,
        probability=said,
        loss=-(truth * np.log(said) + (1 - truth) * np.log1p(-said)),
    )


def test_judged_rows_have_their_columns_and_gaps_are_told():
    made = judged(
        example_id=["a"], happened_at=pd.Series(["x"]), entity=pd.Series([7]), outcome=[1.0],
        loss=[0.5], segment=pd.Series([None]),
    )  # fmt: skip
    assert tuple(made.columns) == COLUMNS
    assert (made["entity"][0], made["segment"][0]) == ("7", "unknown")
    assert np.isnan(made["probability"][0])


@pytest.mark.parametrize(
    ("share", "finding"), [(-0.05, BETTER), (0.0, AS_GOOD), (0.05, WORSE), (0.012, WORSE)]
)
def test_the_finding_is_what_the_difference_shows(share, finding):
    champion = rows(3_000)
    found = compare(other(champion, share), champion)
    assert found.finding == finding
    assert found.refusals == ()
    assert "n 3000" in found.reasons[0]


def test_too_few_later_entities_are_insufficient_evidence_however_good_they_look():
    champion = rows(10 * (FEWEST_ENTITIES - 1), each=10)
    found = compare(other(champion, -0.9), champion)
    assert found.finding == UNCLEAR
    assert found.reasons[0].endswith(f"got {FEWEST_ENTITIES - 1}")


def test_an_interval_too_wide_to_tell_says_how_many_it_would_take():
    champion = rows(300)
    candidate = champion.assign(loss=rows(300, seed=5)["loss"] * 1.01)
    found = compare(candidate, champion)
    assert found.finding == UNCLEAR
    assert "takes about" in found.reasons[0]


def test_only_examples_that_both_were_judged_on_count():
    champion = rows(3_000)
    others = other(champion, 0.0).assign(example_id=[f"other {i}" for i in range(3_000)])
    found = compare(others, champion)
    assert found.finding == UNCLEAR
    assert found.reasons[0].endswith("got 0")


def test_better_on_the_whole_and_worse_in_a_segment_is_refused_with_its_name():
    champion = rows(6_000)
    north = champion["segment"] == "north"
    candidate = other(champion, -0.2)
    candidate.loc[north, "loss"] = champion.loc[north, "loss"] * 1.2
    found = compare(candidate, champion)
    assert found.finding == BETTER
    assert [why.split(":")[0] for why in found.refusals] == ["segment north"]


@pytest.mark.parametrize(
    ("ours", "theirs", "refused"), [(0.80, 0.80, False), (0.77, 0.80, True), (0.77, 0.765, False)]
)
def test_intervals_that_hold_worse_than_the_champions_are_refused_by_name(ours, theirs, refused):
    champion = rows(3_000)
    candidate = other(champion, -0.1).assign(held_80=np.arange(3_000) < 3_000 * ours)
    found = compare(candidate, champion.assign(held_80=np.arange(3_000) < 3_000 * theirs))
    assert found.evidence["coverage_80"] == {
        "candidate": pytest.approx(100 * ours), "champion": pytest.approx(100 * theirs)
    }  # fmt: skip
    assert [why.split(":")[0] for why in found.refusals] == ["coverage"] * refused
    assert (
        "coverage_80" not in compare(candidate, champion).evidence
    )  # as written before there was one


def test_small_segments_are_told_and_decide_nothing():
    champion = rows(3_000)
    champion["segment"] = np.where(np.arange(3_000) < 50, "tiny", "rest")
    candidate = other(champion, -0.1)
    candidate.loc[:49, "loss"] = 9.0 * champion.loc[:49, "loss"]
    found = compare(candidate, champion)
    assert found.refusals == ()
    tiny = next(each for each in found.evidence["segments"] if each["segment"] == "tiny")
    assert tiny == {"segment": "tiny", "entities": 50, "judged": False}


def test_another_label_is_refused_by_name():
    champion = rows(3_000)
    candidate = other(champion, -0.2)
    candidate.loc[:99, "outcome"] *= 2
    (why,) = compare(candidate, champion).refusals
    assert why.startswith("changed label: 3.3% of 3000 examples")


def test_what_was_open_and_has_ended_since_is_no_changed_label():
    champion = rows(3_000)
    champion.loc[:999, "outcome"] = np.nan
    candidate = other(rows(3_000), -0.2)
    assert compare(candidate, champion).refusals == ()


def test_less_data_is_refused_by_name():
    assert shrunken({"examples": "800"}, {"examples": "1000"}) is None
    assert shrunken({}, {"examples": "1000"}) is None
    assert "shrunken data" in (shrunken({"examples": "799"}, {"examples": "1000"}) or "")


def test_odds_that_no_longer_come_true_are_refused_however_well_they_rank():
    champion = odds(4_000, skill=0.5)
    said = np.clip(odds(4_000, skill=0.9)["probability"] + 0.15, 0, 0.999)
    candidate = champion.assign(probability=said, loss=champion["loss"] - 0.05)
    found = compare(candidate, champion)
    assert [why.split(":")[0] for why in found.refusals] == ["calibration"]
    assert found.evidence["auc_gain"]["low"] > 0


def test_the_interval_counts_entities_and_not_their_rows():
    made = np.random.default_rng(3)
    of_entity = made.normal(0, 1, 300)
    entity = np.repeat([f"lead {i}" for i in range(300)], 8).astype(object)
    by_entity = gap(np.repeat(of_entity, 8) + 1e-9 * made.normal(size=2_400), entity)
    once = gap(of_entity, np.array([f"lead {i}" for i in range(300)], object))
    assert by_entity.high - by_entity.low == pytest.approx(once.high - once.low, rel=1e-3)
    alone = gap(np.repeat(of_entity, 8), np.arange(2_400).astype(object))
    assert alone.high - alone.low < 0.5 * (once.high - once.low)


def test_two_equal_models_are_seldom_told_apart():
    better = 0
    for seed in range(200):
        champion = rows(600, seed=seed)
        better += compare(other(champion, 0.0, noise=0.05, seed=seed), champion).finding == BETTER
    assert better <= 10


@pytest.mark.parametrize(
    ("met_since", "judged_by"),
    [(None, LOSSES_FILE), ("2026-02-01", MEETING_FILE), ("2025-12-01", LOSSES_FILE)],
)
def test_a_candidate_is_compared_by_its_meeting_if_the_champion_had_learned_before_it(
    met_since, judged_by, tmp_path
):
    for name, n in ((LOSSES_FILE, 30), (MEETING_FILE, 20)):
        rows(n).to_parquet(tmp_path / name)
    tags = {} if met_since is None else {MET_SINCE: f"{met_since}T00:00:00+00:00"}
    candidate = ModelVersion("m", "2", "", {}, tags=tags)
    champion = ModelVersion("m", "1", "", {}, tags={"as_of": "2026-01-01T00:00:00+00:00"})
    assert len(compared_by(candidate, tmp_path, champion)) == len(
        pd.read_parquet(tmp_path / judged_by)
    )


@pytest.mark.parametrize(
    ("changes", "is_told"),
    [
        ({}, True),
        ({"state": "handed_over"}, True),
        ({"state": "closed"}, False),
        ({"route": "mend_data"}, False),
        ({"model": "risk"}, False),
        ({"window_end": datetime(2025, 12, 1, tzinfo=UTC)}, False),  # the champion has learned it
        ({"window_end": datetime(2026, 6, 1, tzinfo=UTC)}, False),  # the candidate has not
    ],
)
def test_what_moved_since_the_champion_learned_is_told_if_the_candidate_has_learned_it(
    changes, is_told, tmp_path
):
    day = datetime(2026, 2, 1, tzinfo=UTC)
    found = Incident(
        "i", "valuation", "feature_drift", "area", "area moved on the 3rd", "warning", day, day, day,
        "retrain", "open", day,
    )  # fmt: skip
    lake = DeltaLake(tmp_path)
    rows = [asdict(replace(found, **changes))]
    lake.append("incidents", pa.Table.from_pylist(rows, schema=INCIDENTS))
    champion, candidate = (
        ModelVersion("valuation", version, "", {}, tags={"as_of": f"{as_of}T00:00:00+00:00"})
        for version, as_of in (("1", "2026-01-01"), ("2", "2026-05-01"))
    )
    told = moved_since(lake, candidate, champion)
    assert told == (("moved since the champion learned: area moved on the 3rd",) if is_told else ())
    assert moved_since(lake, candidate, None) == ()


def of_groups(champion: pd.DataFrame, *, harm: float, sign: float = 1.0):
    """A candidate that says ``harm`` less (in log-odds) of a third of the leads, and their groups."""
    minority = np.arange(len(champion)) % 3 == 0
    said = champion["probability"].to_numpy()
    margin = np.log(said / (1 - said)) - sign * harm * minority
    groups = pd.DataFrame(
        {"race": np.where(minority, "minority", "majority")}, index=champion["entity"]
    )
    return champion.assign(probability=1 / (1 + np.exp(-margin))), groups


@pytest.mark.parametrize("is_good", [True, False])
def test_a_candidate_that_treats_a_protected_group_worse_is_refused_by_name(is_good):
    champion = odds(6_000, skill=0.8, rate=-0.5)
    candidate, groups = of_groups(champion, harm=1.2, sign=1.0 if is_good else -1.0)
    candidate["loss"] = champion["loss"] * 0.9
    found = compare(candidate, champion, protected=Protected(groups, is_good=is_good))
    assert found.finding == BETTER
    refused = [why for why in found.refusals if why.startswith("groups of race")]
    assert any("impact ratio" in why for why in refused)
    assert found.evidence["groups"]["race"]["n"] == {"majority": 4_000, "minority": 2_000}


def test_a_candidate_that_treats_groups_alike_or_no_worse_is_not_refused_for_it():
    champion = odds(6_000, skill=0.8)
    same, groups = of_groups(champion, harm=0.0)
    assert not compare(same, champion, protected=Protected(groups, is_good=True)).refusals
    unlike, _ = of_groups(champion, harm=1.2)
    found = compare(unlike, unlike, protected=Protected(groups, is_good=True))
    assert found.evidence["groups"]["race"]["candidate"]["impact_ratio"] < 0.8
    assert not found.refusals


def test_groups_of_few_or_none_decide_nothing():
    champion = odds(6_000, skill=0.8)
    candidate, groups = of_groups(champion, harm=1.2)
    for few in (groups.iloc[:90], groups.iloc[:0], groups.assign(race="all")):
        found = compare(candidate, champion, protected=Protected(few, is_good=True))
        assert "groups" not in found.evidence


@pytest.mark.parametrize(
    ("candidate", "champion", "is_refused"),
    [(500.0, 240.0, True), (480.0, 240.0, False), (199.0, 20.0, False), (201.0, 20.0, True)],
)
def test_a_candidate_that_takes_twice_the_champions_time_is_refused(
    candidate, champion, is_refused
):
    assert bool(slower(candidate, champion)) is is_refused
