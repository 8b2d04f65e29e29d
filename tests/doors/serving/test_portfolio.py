"""``POST /ml/match-portfolio`` over HTTP: all open deals, some named ones, and those that are none."""

from __future__ import annotations

import pytest

from hki_ml.serving import deal_shapes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ML = "/api/v1/ml"


def data(response):
    assert response.status_code == 200, response.text
    return response.json()["data"]


def test_all_open_deals_are_placed_and_each_is_an_answer_of_its_own(leads):
    said = data(leads.post(f"{ML}/match-portfolio", json={}))
    deal_shapes.PortfolioData.model_validate(said, strict=True)
    stages = {
        each["leadId"]
        for stage in ("offer", "contract")
        for each in data(leads.get(f"{ML}/leads?stage={stage}&limit=50"))["leads"]
    }
    assert {each["leadId"] for each in said["deals"]} == stages
    assert said["offers"] == sum(len(each["offers"]) for each in said["deals"]) > 0
    assert said["expectedPositives"] >= said["expectedOneByOne"] > 0
    assert all(each["offers"] or each["why"] for each in said["deals"])
    placed = next(each for each in said["deals"] if each["offers"])
    kept = data(leads.get(f"{ML}/predictions/{placed['predictionId']}"))
    assert (kept["model"], kept["answer"]) == ("investor_matching", placed)


def test_named_deals_alone_and_who_is_none_is_told(leads):
    open_one = data(leads.get(f"{ML}/leads?stage=contract&limit=1"))["leads"][0]["leadId"]
    said = data(
        leads.post(
            f"{ML}/match-portfolio", json={"leadIds": [open_one, "nobody"], "offersPerDeal": 2}
        )
    )
    (placed,) = said["deals"]
    assert placed["leadId"] == open_one
    assert len(placed["offers"]) <= 2
    assert said["leftOut"] == [{"leadId": "nobody", "reason": "no lead of that id is known"}]
    # Alone a deal is placed as it is matched.
    matched = data(leads.post(f"{ML}/match-investors", json={"leadId": open_one, "limit": 2}))
    assert [(each["investorId"], each["probability"]) for each in placed["offers"]] == [
        (each["investorId"], each["probability"]) for each in matched["matches"]
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"leadIds": []}, "at least 1"),
        ({"leadIds": ["a", "a"]}, "each lead once"),
        ({"leadIds": [f"lead_{n}" for n in range(201)]}, "at most 200"),
        ({"offersPerDeal": 0}, "greater than or equal to 1"),
        ({"offersPerDeal": 21}, "less than or equal to 20"),
        ({"deals": []}, "deals"),
    ],
)
def test_a_bad_question_is_told(leads, body, says):
    answer = leads.post(f"{ML}/match-portfolio", json=body)
    assert answer.status_code == 422
    assert says in answer.text
