"""Who buys a deal and what can go wrong, on a real service over a simulated market."""

from __future__ import annotations

import math

import pytest
from leads_home import NOW

from hki_ml.serving import deal_shapes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ML = "/api/v1/ml"


def data(response):
    assert response.status_code == 200, response.text
    return response.json()["data"]


@pytest.fixture(scope="module")
def deal(leads_application):
    """An open lead that stands before a contract or under one."""
    client = leads_application.front
    for stage in ("contract", "offer"):
        found = data(client.get(f"{ML}/leads?stage={stage}&limit=1"))["leads"]
        if found:
            return found[0]["leadId"]
    raise AssertionError("expected a deal in the simulated market")


@pytest.fixture
def matched(leads, deal):
    def ask(**body):
        return data(leads.post(f"{ML}/match-investors", json={"leadId": deal, **body}))

    return ask


def test_a_deal_gets_its_five_investors_best_first_with_reasons_that_add_up(matched, deal):
    said = matched()
    deal_shapes.MatchData.model_validate(said, strict=True)
    assert said["leadId"] == deal
    assert 1 <= len(said["matches"]) <= 5
    assert said["admitted"] <= said["asked"]
    scores = [match["score"] for match in said["matches"]]
    assert scores == sorted(scores, reverse=True)
    for match in said["matches"]:
        log_odds = math.log(match["probability"] / (1 - match["probability"]))
        summed = match["reference"] + sum(reason["logOdds"] for reason in match["reasons"])
        assert summed == pytest.approx(log_odds, abs=1e-6)
        assert match["score"] == pytest.approx(100 * match["probability"])


def test_the_alternatives_say_what_would_admit_them(matched):
    ours = {match["investorId"] for match in matched()["matches"]}
    for each in matched()["alternatives"]:
        assert each["investorId"] not in ours
        assert each["wouldAdmit"]


def test_a_named_investor_hears_why_not(matched):
    best = matched(limit=1)["matches"][0]["investorId"]
    said = matched(whyNot=best)["whyNot"]
    assert (said["admitted"], said["rank"]) == (True, 1)
    other = matched()["alternatives"][0]["investorId"]
    said = matched(whyNot=other)["whyNot"]
    assert not said["admitted"]
    assert said["reasons"]


def test_who_opts_out_disappears_at_once(leads, matched):
    gone = matched(limit=1)["matches"][0]["investorId"]
    leaves = {
        "eventType": "investor.criteria_set",
        "entityId": gone,
        "properties": {"optedOut": True},
        "occurredAt": NOW.isoformat(),
    }
    assert data(leads.post("/api/v1/events", json=leaves))["accepted"] == 1
    said = matched(limit=50)
    assert gone not in {match["investorId"] for match in said["matches"]}
    assert gone not in {each["investorId"] for each in said["alternatives"]}
    assert leads.get(f"{ML}/investors/{gone}").status_code == 404
    again = {**leaves, "properties": {"optedOut": False}}
    assert data(leads.post("/api/v1/events", json=again))["accepted"] == 1
    assert matched(limit=1)["matches"][0]["investorId"] == gone


def test_who_is_deleted_is_not_known_at_once(leads, matched, deal):
    gone = matched(limit=1)["matches"][0]["investorId"]

    def tell(kind):
        told = {
            "eventType": kind,
            "entityId": gone,
            "properties": {},
            "occurredAt": NOW.isoformat(),
        }
        assert data(leads.post("/api/v1/events", json=told))["accepted"] == 1

    tell("investor.deleted")
    said = matched(limit=50)
    assert gone not in {each["investorId"] for each in (*said["matches"], *said["alternatives"])}
    assert leads.get(f"{ML}/investors/{gone}").status_code == 404
    asked = leads.post(f"{ML}/match-investors", json={"leadId": deal, "whyNot": gone})
    assert asked.status_code == 404
    tell("investor.registered")
    assert matched(limit=1)["matches"][0]["investorId"] == gone


def test_an_investor_sees_the_deals_that_suit_with_the_same_odds(leads, matched, deal):
    match = matched(limit=1)["matches"][0]
    said = data(leads.get(f"{ML}/investors/{match['investorId']}"))
    deal_shapes.InvestorData.model_validate(said, strict=True)
    scores = [each["score"] for each in said["deals"]]
    assert scores == sorted(scores, reverse=True)
    shown = {each["leadId"]: each for each in said["deals"]}
    assert shown[deal]["score"] == match["score"]
    assert shown[deal]["probability"] == pytest.approx(match["probability"])


def test_a_price_can_be_supposed(matched):
    dear = matched(priceUsd=50_000_000.0)
    assert dear["deal"]["priceUsd"] == 50_000_000.0
    assert dear["admitted"] < matched()["admitted"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"leadId": "nobody"}, 404),
        ({"propertyId": "nowhere"}, 404),
        ({"leadId": "a", "propertyId": "b"}, 422),
        ({"leadId": "a", "limit": 0}, 422),
        ({"leadId": "a", "limit": 51}, 422),
        ({"leadId": "a", "priceUsd": -1}, 422),
        ({"leadId": "a", "whyNot": ""}, 422),
        ({"leadId": "a", "weather": "fine"}, 422),
    ],
)
def test_a_bad_question_is_told(leads, body, status):
    answer = leads.post(f"{ML}/match-investors", json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_investor_is_told(leads, deal):
    assert leads.get(f"{ML}/investors/nobody").status_code == 404
    answer = leads.post(f"{ML}/match-investors", json={"leadId": deal, "whyNot": "nobody"})
    assert answer.status_code == 404
    assert "investor" in answer.json()["detail"]


def test_contradicting_criteria_are_refused_with_both_named(leads):
    answer = data(
        leads.post(
            "/api/v1/events",
            json={
                "eventType": "investor.criteria_set",
                "entityId": "investor_0001",
                "properties": {"priceLowUsd": 500_000, "priceHighUsd": 100_000},
                "occurredAt": NOW.isoformat(),
            },
        )
    )
    assert answer["accepted"] == 0
    told = str(answer["events"][0])
    assert "priceLowUsd" in told or "price_low_usd" in told
    assert "priceHighUsd" in told or "price_high_usd" in told


def test_the_answer_is_kept(leads, matched):
    said = matched()
    kept = data(leads.get(f"{ML}/predictions/{said['predictionId']}"))
    assert kept["model"] == "investor_matching"
    assert kept["answer"] == said
    why = data(leads.get(f"{ML}/predictions/{said['predictionId']}/explanation"))["why"]
    assert why["matches"] == said["matches"]
