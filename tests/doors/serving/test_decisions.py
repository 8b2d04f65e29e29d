"""Risk and the call list over HTTP, on a real service over a simulated market."""

from __future__ import annotations

import pytest
from leads_home import NOW, at_home

from hki_ml.serving import deal_shapes, lead_shapes

ML = "/api/v1/ml"


def data(response):
    assert response.status_code == 200, response.text
    return response.json()["data"]


def under_contract(client):
    return [
        each["leadId"] for each in data(client.get(f"{ML}/leads?stage=contract&limit=40"))["leads"]
    ]


@pytest.fixture
def assessed(leads):
    return lambda lead: data(leads.post(f"{ML}/assess-risk", json={"leadId": lead}))


def lien(lead, home):
    return {
        "eventType": "lien.recorded", "entityId": home, "occurredAt": NOW.isoformat(),
        "properties": {"kind": "tax", "amountUsd": 60_000, "leadId": lead},
    }  # fmt: skip


def test_what_can_go_wrong_is_said_with_what_it_is_made_of(leads, assessed):
    lead = under_contract(leads)[0]
    said = assessed(lead)
    deal_shapes.RiskData.model_validate(said, strict=True)
    assert len(said["subScores"]) == 8
    assert all(each["reasons"] for each in said["subScores"])
    assert said["tailLossUsd"] >= said["expectedLossUsd"] >= 0
    made_of = said["madeOf"]
    assert 0 <= made_of["close90"] <= 1
    assert 0 <= made_of["bestMatch"] <= 1
    assert made_of["buyers"] >= 0
    assert set(said["modelVersions"]) >= {"risk", "lead_scoring", "investor_matching"}


def test_nobody_knows_an_unknown_lead(leads):
    assert leads.post(f"{ML}/assess-risk", json={"leadId": "nobody"}).status_code == 404


def test_a_call_list_is_in_order_within_everybodys_minutes_and_says_why_not(leads):
    said = data(leads.get(f"{ML}/call-list?callers=2&minutes=60"))
    lead_shapes.CallListData.model_validate(said, strict=True)
    calls = said["calls"]
    assert calls
    assert len(calls) <= 10
    assert {each["caller"] for each in calls} <= {1, 2}
    assert all(each["afterMinutes"] + said["terms"]["minutesPerCall"] <= 60 for each in calls)
    profits = [each["expectedProfitUsd"] for each in calls]
    assert profits == sorted(profits, reverse=True)
    assert said["expectedProfitUsd"] == pytest.approx(sum(profits), abs=0.1)
    counts = said["counts"]
    assert counts["open"] == counts["called"] + counts["noTime"] + counts["notWorth"]
    assert all(each["reason"] for each in said["notWorth"])


def test_what_a_call_adds_is_what_the_leads_own_answer_says(leads):
    for each in data(leads.get(f"{ML}/call-list?callers=1&minutes=36"))["calls"]:
        said = data(leads.post(f"{ML}/score-lead", json={"leadId": each["leadId"]}))
        named = "follow_up_at_once" if each["kind"] == "randomised" else "call_within_a_day"
        told = {action["action"]: action["probabilityChange"] for action in said["actions"]}
        # Asked some seconds after the list was made; an action that does not help is not told.
        assert told.get(named, 0.0) == pytest.approx(each["gain"], abs=2e-3)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("callers=0", "/callers"),
        ("minutes=soon", "/minutes"),
        ("speed=1", "/speed"),
        ("profitRate=nan", "/profitRate"),
    ],
)
def test_terms_that_mean_nothing_are_told_their_name(leads, query, pointer):
    answer = leads.get(f"{ML}/call-list?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


def test_a_risk_is_made_again_to_the_byte(leads, leads_home, assessed):
    from hki_ml.reproduce import Reproducer
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    ids = [assessed(lead)["predictionId"] for lead in under_contract(leads)[:4]]
    with at_home(leads_home):
        again = Reproducer(connect(load_settings()), now=NOW)
        for prediction in ids:
            assert again.reproduce(prediction).is_identical
