"""Each room that learns from leads refuses the same planted things, by name."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from hki_ml.errors import GateRefused
from hki_ml.models.conversion import train as conversion
from hki_ml.models.lead_scoring import train as lead_scoring
from hki_ml.models.risk import room as risk
from hki_ml.models.time_to_close import train as time_to_close
from tests.unit.models.leads import lead_rows

AS_OF = pd.Timestamp("2021-12-01", tz="UTC")


def contracts_of(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the leads as if each had come under contract when it came."""
    first = rows[rows["landmark_days"] == 0]
    return first.drop(columns="landmark_days").assign(
        contract_days=0.0, contract_at=first["created_at"]
    )


ROOMS = {
    "lead_scoring": lambda rows: lead_scoring.prepare(rows, as_of=AS_OF),
    "conversion": lambda rows: conversion.train(rows, as_of=AS_OF, seed=0, rounds=5),
    "time_to_close": lambda rows: time_to_close.train(
        rows, as_of=AS_OF, seed=0, terms=time_to_close.Terms()
    ),
    "risk": lambda rows: risk.fit(contracts_of(rows), as_of=AS_OF, seed=0, threads=1),
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return lead_rows(2_000)


@pytest.fixture(scope="module", params=ROOMS)
def learn(request):
    return ROOMS[request.param]


def with_fact(rows: pd.DataFrame, name: str, values: np.ndarray) -> pd.DataFrame:
    facts = [
        json.dumps({**json.loads(text), name: value}) if value is not None else text
        for text, value in zip(rows["lead_facts_json"], values, strict=True)
    ]
    return rows.assign(lead_facts_json=facts)


def group_of(rows: pd.DataFrame) -> np.ndarray:
    number = rows["lead_id"].str[4:].astype(int)
    return np.where(number % 10 < 3, "minority", "majority").astype(object)


def test_honest_rows_are_learned_from(rows, learn):
    learn(rows.assign(protected_race=group_of(rows)))


def test_a_protected_group_is_refused_by_its_name_and_as_a_number(rows, learn):
    group = group_of(rows)
    with pytest.raises(GateRefused, match="applicant_race"):
        learn(with_fact(rows, "applicant_race", (group == "minority").astype(float)))
    smuggled = with_fact(rows, "list_number", np.where(group == "minority", 4.0, 2.0))
    with pytest.raises(GateRefused, match="list_number"):
        learn(smuggled.assign(protected_race=group))


def test_a_fact_that_knows_the_end_is_refused(rows, learn):
    number = rows["lead_id"].str[4:].astype(int).to_numpy()
    noise = np.random.default_rng(0).random(number.max() + 1)[number]
    closed = (rows["outcome"] == "closed").to_numpy()
    with pytest.raises(GateRefused, match="fact_title_order' leaks"):
        learn(with_fact(rows, "title_order", np.where(closed, 1.0, 0.0) + 0.3 * noise))


def test_ends_that_are_our_own_predictions_are_refused(rows, learn):
    ours = rows["outcome_source"].where(rows["outcome_source"].isna(), "lead-scoring-export")
    with pytest.raises(GateRefused, match="names our own predictions"):
        learn(rows.assign(outcome_source=ours))
