"""What ends an experiment: a split that lost some, closings that it costs, odds that do not come true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from hki_ml.experimenting import (
    ADVANCE,
    GIVEN_UP_AFTER,
    HORIZON,
    STOP,
    WAIT,
    WIN,
    Judgement,
    _groups_fare_worse,
    _onwards,
    _split_or_harm,
    drawn,
)
from hki_ml.ledger import CHALLENGER_ARM, Experiment

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BEGUN = NOW - timedelta(days=150)


def answered(*, n=6_000, closes=(0.12, 0.12), says=(0.12, 0.12), loses=0.0, seed=3):
    """Leads answered before the last 90 days; ``closes`` and ``says`` of champion and challenger."""
    made = np.random.default_rng(seed)
    treated = made.random(n) < 0.5
    kept = ~treated | (made.random(n) >= loses)
    at = pd.Series(pd.Timestamp(NOW - HORIZON - timedelta(days=1)), index=range(n))
    closed = made.random(n) < np.where(treated, closes[1], closes[0])
    units = pd.DataFrame(
        {
            "entity": [f"lead_{i}" for i in range(n)], "at": at, "treated": treated,
            "propensity": 0.5, "probability": np.where(treated, says[1], says[0]),
            "closed_at": at.where(closed) + timedelta(days=30),
        }
    )  # fmt: skip
    return units[kept].reset_index(drop=True)


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ({}, None),
        ({"loses": 0.2}, "the split is broken"),
        ({"closes": (0.12, 0.05)}, "it costs closings"),
        ({"says": (0.12, 0.30)}, "odds do not come true"),
    ],
)
def test_each_harm_is_named_and_none_is_imagined(planted, told):
    evidence: dict[str, object] = {}
    found = _split_or_harm(answered(**planted), NOW, evidence)
    assert (found is None) if told is None else (told in found)
    assert "split_p" in evidence


def grouped(*, harm: float, n: int = 8_000):
    """Leads of two groups, of which the challenger rates one lower by ``harm`` (log-odds)."""
    made = np.random.default_rng(5)
    minority, treated = made.random(n) < 0.3, made.random(n) < 0.5
    margin = made.normal(-2, 1, n) - harm * (minority & treated)
    units = pd.DataFrame(
        {
            "entity": [f"lead_{i}" for i in range(n)], "treated": treated,
            "probability": 1 / (1 + np.exp(-margin)),
        }
    )  # fmt: skip
    groups = pd.DataFrame(
        {"race": np.where(minority, "minority", "majority")}, index=units["entity"]
    )
    return units, groups


@pytest.mark.parametrize(("harm", "told"), [(0.0, None), (0.8, "groups of race fare worse")])
def test_a_challenger_that_rates_a_group_lower_is_stopped(harm, told):
    units, groups = grouped(harm=harm)
    evidence: dict[str, object] = {}
    found = _groups_fare_worse(units, groups, evidence)
    assert (found is None) if told is None else (told in found)
    assert set(evidence["impact_ratio of race"]) == {"challenger", "champion"}
    assert _groups_fare_worse(units, groups.iloc[:50], evidence) is None
    assert _groups_fare_worse(units.assign(probability=np.nan), groups, evidence) is None


def test_leads_that_have_not_had_their_days_say_nothing_of_closings():
    young = answered(closes=(0.12, 0.0)).assign(at=pd.Timestamp(NOW - timedelta(days=10)))
    evidence: dict[str, object] = {}
    assert _split_or_harm(young, NOW, evidence) is None
    assert evidence["closings"]["treated"] == 0


def at_share(share, *, started=BEGUN):
    return Experiment("e", "lead_scoring", "1", "2", share, BEGUN, started)


@pytest.mark.parametrize(
    ("share", "low", "started", "action"),
    [
        (0.10, -np.inf, BEGUN, ADVANCE),
        (0.50, -0.05, BEGUN, WAIT),
        (0.50, -0.01, BEGUN, ADVANCE),
        (0.50, -0.05, NOW - GIVEN_UP_AFTER - timedelta(days=1), STOP),
        (1.0, -np.inf, BEGUN, WIN),
    ],
)
def test_it_goes_on_only_when_harm_is_excluded(share, low, started, action):
    found = _onwards(at_share(share, started=started), {"closings": {"low": low}}, NOW)
    assert isinstance(found, Judgement)
    assert found.action == action


def test_who_changed_arms_is_left_out_and_the_rest_keep_their_true_odds():
    now = at_share(0.5)
    early = at_share(0.1)
    rows = [
        (f"lead_{i}", stage.arm(f"lead_{i}") == CHALLENGER_ARM, stage.share, at)
        for at, (stage, leads) in enumerate(((early, range(4_000)), (now, range(8_000))))
        for i in leads
    ]
    units = pd.DataFrame(rows, columns=["entity", "treated", "share", "at"])
    units["share"] = units["share"].where(units["treated"], 1 - units["share"])
    found = drawn(units, now)
    assert found["entity"].is_unique
    assert {k: now.arm(k) == CHALLENGER_ARM for k in found["entity"]} == dict(
        zip(found["entity"], found["treated"], strict=True)
    )
    assert set(found["propensity"].round(4)) == {round(0.1 / 0.6, 4), 0.5}
    for share, part in found.groupby(found["propensity"].round(6)):
        assert part["treated"].mean() == pytest.approx(share, abs=0.03)
