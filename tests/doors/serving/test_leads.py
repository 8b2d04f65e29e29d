"""The routes of leads on a real service: models trained on a simulated market, stores on disk."""

from __future__ import annotations

import json
import math
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from leads_home import NOW, ROOMS, at_home
from test_openapi import OF_HOMES, ROUTES

from hki_ml.serving import lead_shapes
from hki_ml.serving.openapi import document

ML = "/api/v1/ml"
EXAMPLE = {
    "leadId": "lead_abc123", "score": 85, "confidence": 0.92,
    "factors": {"property_value": 0.35, "engagement_level": 0.28, "market_conditions": 0.22,
                "lead_source": 0.15},
    "recommendation": "high-priority", "predictedConversion": 0.68, "estimatedTimeToClose": 45,
    "modelVersion": "v1.2.3", "computedAt": "2025-10-27T07:46:34.325Z",
}  # fmt: skip


def ask(client, route, **body):
    response = client.post(f"{ML}/{route}", json=body)
    assert response.status_code == 200, response.text
    return response.json()["data"]


@pytest.fixture(scope="module")
def best(leads_application):
    """The leads at the head of the list, and some from its end."""
    found = leads_application.front.get(f"{ML}/leads?limit=500").json()["data"]
    assert found["total"] > 50
    return [each["leadId"] for each in (*found["leads"][:20], *found["leads"][-20:])]


def test_a_score_has_every_name_and_type_of_the_example(leads, best):
    data = ask(leads, "score-lead", leadId=best[0])
    for name, value in EXAMPLE.items():
        assert type(data[name]) is type(value), name
    assert EXAMPLE["factors"].keys() <= data["factors"].keys()
    assert data["computedAt"] == "2016-06-01T06:00:00.000Z"
    lead_shapes.ScoreData.model_validate(data, strict=True)


def test_every_answer_has_exactly_its_documented_shape(leads, best):
    for lead in best[:5]:
        odds = ask(leads, "predict-conversion", leadId=lead)
        lead_shapes.ConversionData.model_validate(odds, strict=True)
        lead_shapes.TimeData.model_validate(
            ask(leads, "predict-time-to-close", leadId=lead), strict=True
        )
        card = leads.get(f"{ML}/leads/{lead}").json()["data"]
        lead_shapes.LeadCard.model_validate(card, strict=True)
    listed = leads.get(f"{ML}/leads").json()["data"]
    lead_shapes.LeadsFound.model_validate(listed, strict=True)
    record = leads.get(f"{ML}/track-record").json()["data"]
    lead_shapes.TrackRecordData.model_validate(record, strict=True)


def test_the_three_answers_never_contradict_one_another(leads, best):
    for lead in best:
        score = ask(leads, "score-lead", leadId=lead)
        odds = ask(leads, "predict-conversion", leadId=lead, horizonsDays=[7, 30, 90, 180])
        time = ask(leads, "predict-time-to-close", leadId=lead)
        by_day = {each["days"]: each["probability"] for each in odds["horizons"]}
        assert by_day[90] == pytest.approx(score["predictedConversion"], abs=1e-6)
        assert sorted(by_day.values()) == [by_day[day] for day in sorted(by_day)]
        closed = {each["days"]: each["closed"] for each in time["distribution"]}
        assert closed[90] == pytest.approx(score["predictedConversion"], abs=1e-6)
        assert time["neverProbability"] <= 1 - closed[180] + 1e-9
        assert round(time["expectedDays"]) == pytest.approx(score["estimatedTimeToClose"], abs=1)


def as_listed(leads, number):
    """The list once it has heard of all that was accepted: it rests between two makings."""
    board = leads.get(f"{ML}/leads?limit={number}").json()["data"]["leads"]
    scored = [ask(leads, "score-lead", leadId=each["leadId"]) for each in board]
    told = [(each["score"], each["predictedConversion"]) for each in board]
    return told, [(each["score"], round(each["predictedConversion"], 4)) for each in scored]


def test_the_list_has_the_scores_that_each_lead_gets_when_it_is_asked_for(leads):
    deadline = time.monotonic() + 20
    told, scored = as_listed(leads, 20)
    while told != scored and time.monotonic() < deadline:
        told, scored = as_listed(leads, 20)
    assert told == scored
    assert told == sorted(told, reverse=True)


def test_an_event_is_in_the_list_before_its_minute_is_over(leads):
    before = leads.get(f"{ML}/leads?stage=new&limit=1").json()["data"]["leads"][0]
    send(leads, event("lead.appointment_set", before["leadId"]))
    found = f"{ML}/leads?query={before['leadId']}"
    deadline = time.monotonic() + 20
    while (after := leads.get(found).json()["data"]["leads"][0]["stage"]) == before["stage"]:
        assert time.monotonic() < deadline, "the list never heard of it"
        time.sleep(0.05)
    assert after == "appointment"


def test_filters_of_the_list_leave_what_they_say(leads):
    every = leads.get(f"{ML}/leads?limit=500").json()["data"]
    source = every["choices"]["sources"][0]
    some = leads.get(f"{ML}/leads?source={source}&minScore=40&limit=500").json()["data"]
    expected = [
        each["leadId"]
        for each in every["leads"]
        if each["leadSource"] == source and each["score"] >= 40
    ]
    assert [each["leadId"] for each in some["leads"]] == expected
    assert leads.get(f"{ML}/leads?colour=red").status_code == 422
    assert leads.get(f"{ML}/leads?minScore=high").status_code == 422


def test_drivers_add_up_to_the_score_and_shares_to_one(leads, best):
    for lead in best:
        data = ask(leads, "score-lead", leadId=lead)
        assert sum(data["factors"].values()) == pytest.approx(1, abs=1e-9)
        typical = data["typicalConversion"] / (1 - data["typicalConversion"])
        odds = data["predictedConversion"] / (1 - data["predictedConversion"])
        total = math.log(typical) + sum(driver["logOdds"] for driver in data["drivers"])
        assert total == pytest.approx(math.log(odds), abs=1e-6)


def test_a_history_adds_up_step_by_step(leads, best):
    for lead in best[:10]:
        points = leads.get(f"{ML}/leads/{lead}").json()["data"]["history"]
        for before, after in pairwise(points):
            change = after["timeDecay"] + after["features"]
            assert before["score"] + change == pytest.approx(after["score"], abs=1e-9)
        asked = ask(leads, "score-lead", leadId=lead)
        assert round(min(100, max(0, points[-1]["score"]))) == asked["score"]


def test_nobody_knows_an_unknown_lead(leads):
    for route in ("score-lead", "predict-conversion", "predict-time-to-close"):
        response = leads.post(f"{ML}/{route}", json={"leadId": "nobody"})
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
    assert leads.get(f"{ML}/leads/nobody").status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/leadId"),
        ({"leadId": 7}, "/leadId"),
        ({"leadId": "a", "colour": "red"}, "/colour"),
        ({"leadId": "a", "horizonsDays": [0]}, "/horizonsDays/0"),
        ({"leadId": "a", "horizonsDays": [400]}, "/horizonsDays/0"),
        ({"leadId": "a", "horizonsDays": []}, "/horizonsDays"),
    ],
)
def test_a_bad_question_is_told_its_field(leads, body, pointer):
    response = leads.post(f"{ML}/predict-conversion", json=body)
    assert response.status_code == 422
    assert pointer in [error["pointer"] for error in response.json()["errors"]]


def event(kind, lead, **properties):
    return {"eventType": kind, "entityId": lead, "properties": properties, "source": "test"}


def send(client, *events):
    response = client.post("/api/v1/events", json={"events": list(events)})
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    lead_shapes.EventsTaken.model_validate(data, strict=True)
    return data


def test_a_lead_with_no_events_yet_gets_the_prior_with_low_confidence(leads, best):
    new = send(leads, event("lead.created", "fresh lead"))
    assert new["accepted"] == 1
    data = ask(leads, "score-lead", leadId="fresh lead")
    known = [ask(leads, "score-lead", leadId=lead)["confidence"] for lead in best]
    assert 0 < data["predictedConversion"] < 0.6
    assert data["confidence"] < sorted(known)[len(known) // 2]


def test_an_event_counts_at_once_and_twice_is_once(leads):
    send(leads, event("lead.created", "eager lead", leadSource="referral"))
    before = ask(leads, "score-lead", leadId="eager lead")
    reply = event("lead.replied", "eager lead") | {"occurredAt": NOW.isoformat()}
    one, again = send(leads, reply), send(leads, reply)
    assert one["events"][0]["eventId"] == again["events"][0]["eventId"]
    after = ask(leads, "score-lead", leadId="eager lead")
    assert after["predictedConversion"] > before["predictedConversion"]
    card = leads.get(f"{ML}/leads/eager lead").json()["data"]
    kinds, _ = json.loads(card["known"]["leadMomentsJson"])
    assert kinds == [1]


def test_a_lead_that_ended_is_told_as_it_ended(leads):
    send(leads, event("lead.created", "sold lead"), event("lead.closed", "sold lead"))
    data = ask(leads, "score-lead", leadId="sold lead")
    assert (data["score"], data["predictedConversion"], data["recommendation"]) == (
        100,
        1.0,
        "closed",
    )
    lead_shapes.ScoreData.model_validate(data, strict=True)
    for route in ("predict-conversion", "predict-time-to-close"):
        assert ask(leads, route, leadId="sold lead")["agreesWithScore"]


def test_each_event_of_a_batch_is_judged_by_itself(leads, best):
    future = (NOW + timedelta(days=1)).isoformat()
    sent = [
        event("lead.replied", best[0]),
        event("lead.replied", "nobody"),
        event("lead.danced", best[0]),
        event("lead.replied", best[0]) | {"schemaVersion": 9},
        event("lead.replied", best[0]) | {"occurredAt": future},
        event("lead.created", "barred", facts={"sex": "female"}),
        event("lead.created", "smuggled", facts={"x17": "Female"}),
        event("lead.created", "large", facts={"x": "y" * 2_000_000}),
        event("prediction.made", best[0]),
        event("lead.visited", best[0], seconds=-1.0),
        {"eventType": "lead.replied"},
        "no event",
        event("lead.replied", best[0]) | {"colour": "red"},
        event("lead.contacted", best[0], channel="phone") | {"occurredAt": "2016-05-30T10:00:00Z"},
    ]  # fmt: skip
    told = [each.get("reason") for each in send(leads, *sent)["events"]]
    assert told == [
        None, "unknown_lead", "unknown_type", "unknown_version", "occurred_in_future",
        "protected_fact", "protected_fact", "too_large", "reserved_type", "invalid_value",
        "invalid_value", "malformed", "unknown_field", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body", [{"events": []}, {"events": [{}] * 1_001}, {"events": "many"}, {"events": [{}], "x": 1}]
)
def test_a_batch_that_is_none_is_refused_whole(leads, body):
    assert leads.post("/api/v1/events", json=body).status_code == 422


def test_a_prediction_is_found_with_what_was_said_and_why(leads, best):
    said = ask(leads, "score-lead", leadId=best[0])
    found = leads.get(f"{ML}/predictions/{said['predictionId']}").json()["data"]
    lead_shapes.PredictionData.model_validate(found, strict=True)
    assert found["answer"] == said
    why = leads.get(f"{ML}/predictions/{said['predictionId']}/explanation").json()["data"]
    lead_shapes.ExplanationData.model_validate(why, strict=True)
    assert why["why"]["drivers"] == said["drivers"]
    assert leads.get(f"{ML}/predictions/01990000-0000-7000-8000-000000000000").status_code == 404
    assert leads.get(f"{ML}/predictions/no-id").status_code == 404


def test_predictions_are_made_again_to_the_byte_over_several_versions(
    leads_application, leads_home, best
):
    from hki_ml.reproduce import Reproducer
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    client = leads_application.front
    ids = []
    for lead in [*best[:8], "eager lead", "fresh lead"]:
        for route in ("score-lead", "predict-conversion", "predict-time-to-close"):
            response = client.post(f"{ML}/{route}", json={"leadId": lead})
            if response.status_code == 200:
                ids.append(response.json()["data"]["predictionId"])
    with at_home(leads_home):
        again = Reproducer(connect(load_settings()), now=NOW)
        for prediction in ids:
            made = again.reproduce(prediction)
            assert made.changed_features == (), prediction
            assert made.said == made.says, prediction
    assert len(ids) >= 24


# Buyers and jobs have tests of their own with what they ask for.
ELSEWHERE = ("match-", "investors", "batch", "jobs/")
OF_LEADS = [
    route for route in ROUTES
    if route not in OF_HOMES and not any(part in route[0] for part in ELSEWHERE)
]  # fmt: skip


@pytest.mark.parametrize(("path", "method"), OF_LEADS)
def test_every_documented_route_of_leads_answers_as_documented(leads, best, path, method):
    operation = document()["paths"][path][method]
    prediction = ask(leads, "score-lead", leadId=best[0])["predictionId"]
    path = path.replace("{leadId}", best[0]).replace("{predictionId}", prediction)
    body = event("lead.visited", best[0]) if path.endswith("/events") else {"leadId": best[0]}
    response = leads.request(method, path, json=body if method == "post" else None)
    assert response.status_code == 200, response.text
    kinds = list(operation["responses"]["200"]["content"])
    assert response.headers["content-type"].split(";")[0] in kinds


@pytest.mark.parametrize("room", ROOMS)
def test_each_trained_version_has_its_card_from_the_run_that_made_it(leads, room):
    asked = f"{ML}/models/{room}"
    text = leads.get(f"{asked}/card").text
    figures = leads.get(asked).json()["data"]["versions"][0]["figures"]
    assert text.index("## Limits") < text.index("|")
    assert "simulat" in text.split("| data from |")[1].splitlines()[0]
    assert "|  |" not in text
    assert figures
    assert leads.get(f"{asked}/card", headers={"accept": "text/html"}).text.count("<table>") >= 4
