"""Leads are answered the same by runners in the gateway, by runners elsewhere and on BentoML's path."""

from __future__ import annotations

import httpx
import pytest

ML = "/api/v1/ml"
ROUTES = ("score-lead", "predict-conversion", "predict-time-to-close")


def answers(url, ids):
    with httpx.Client(base_url=url + ML, timeout=20) as client:
        said = []
        for lead in ids:
            for route in ROUTES:
                response = client.post(f"/{route}", json={"leadId": lead})
                data = response.json().get("data", {})
                said.append((response.status_code, {**data, "predictionId": None}))
            said.append(client.get(f"/leads/{lead}").json().get("data"))
        return [*said, client.get("/leads").json()["data"]]


@pytest.mark.server
def test_runners_in_processes_of_their_own_answer_as_embedded_ones_do(leads_home):
    from leads_service import serving_leads

    # Both begin now: what was accepted before is the same for both.
    with (
        serving_leads(leads_home) as here,
        serving_leads(leads_home, HKI_SERVING__EMBED_RUNNERS="false") as elsewhere,
    ):
        listed = httpx.get(f"{here}{ML}/leads").json()["data"]["leads"]
        ids = [each["leadId"] for each in (*listed[:3], *listed[-3:])] + ["nobody"]
        assert answers(elsewhere, ids) == answers(here, ids)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "body", ['{"leadId": "nobody"}', "{", '{"leadId": 7}', '{"leadId": "a", "x": 1}', '{"a": NaN}']
)
def test_a_bad_question_gets_the_same_answer_on_both_paths(leads_application, route, body):
    sent = {"content-type": "application/json", "x-request-id": "same"}
    fast = leads_application.front.post(f"{ML}/{route}", content=body, headers=sent)
    slow = leads_application.behind.post(f"{ML}/{route}", content=body, headers=sent)
    assert (slow.status_code, slow.content) == (fast.status_code, fast.content)


def test_a_lead_gets_the_same_answer_on_both_paths(leads_application):
    lead = leads_application.front.get(f"{ML}/leads").json()["data"]["leads"][0]["leadId"]
    for route in ROUTES:
        said = [
            way.post(f"{ML}/{route}", json={"leadId": lead}).json()["data"] | {"predictionId": None}
            for way in (leads_application.front, leads_application.behind)
        ]
        assert said[0] == said[1]
