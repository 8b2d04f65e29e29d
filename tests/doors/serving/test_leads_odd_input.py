"""Whatever a caller sends to a route of leads is answered with less than 500, and told what was wrong."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ML = "/api/v1/ml"
EVENTS = "/api/v1/events"
POSTS = [f"{ML}/score-lead", f"{ML}/predict-conversion", f"{ML}/predict-time-to-close", EVENTS]
GETS = [f"{ML}/leads", f"{ML}/track-record", "/leads"]
ODD_IDS = ["é漢字🏠", "a/b", "a%2Fb", "..", ".", " ", "a b", "x" * 200, "'; DROP TABLE leads --",
           "<script>", "a\u202eb", "explanation", "lead\u00a0x", "NaN", "null", "%"]  # fmt: skip
quiet = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def created(lead, **properties):
    return {"eventType": "lead.created", "entityId": lead, "properties": properties}


@pytest.mark.parametrize("lead", ODD_IDS)
def test_a_lead_of_an_odd_id_is_taken_scored_and_looked_up_under_it(leads, lead):
    assert leads.post(EVENTS, json=created(lead)).json()["data"]["accepted"] == 1
    for route in POSTS[:3]:
        response = leads.post(route, json={"leadId": lead})
        assert response.status_code == 200, response.text
        assert response.json()["data"]["leadId"] == lead
    card = leads.get(f"{ML}/leads/{quote(lead, safe='').replace('.', '%2E')}")
    assert card.status_code == 200, card.text
    assert card.json()["data"]["leadId"] == lead
    assert card.json()["data"]["history"]


@pytest.mark.parametrize(
    "lead", ["", "x" * 201, "é" * 1_000, "a\x00b", "\n", None, 7, [], {}, True]
)
def test_an_id_that_cannot_be_is_refused_by_every_route_alike(leads, lead):
    for route in POSTS[:3]:
        assert leads.post(route, json={"leadId": lead}).status_code == 422
    data = leads.post(EVENTS, json=created(lead)).json()["data"]
    assert (data["accepted"], data["events"][0]["reason"]) == (0, "invalid_value")


@pytest.mark.parametrize(
    "item",
    ["%00", "%ff%fe", "%E0%A4%A", "%2F", "%2e%2e", "a%0d%0aset-cookie:x", "x" * 5_000, "%25"],
)
def test_any_path_is_answered_without_a_fault_of_ours(leads, item):
    for path in (
        f"{ML}/leads/{item}",
        f"{ML}/predictions/{item}",
        f"{ML}/predictions/{item}/explanation",
    ):
        response = leads.get(path)
        assert response.status_code in {200, 404}, response.text
        assert "set-cookie" not in response.headers


@pytest.mark.parametrize("route", POSTS)
@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "null", "7", '"x"', '{"leadId": NaN}', '{"leadId": "a", "leadId": "b"}',
     '{"a":' * 5_000 + "1" + "}" * 5_000, b"\xff\xfe{}", '{"leadId": "\\ud800"}', "9" * 5_000],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(leads, route, body):
    response = leads.post(route, content=body, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}, response.text
    assert response.json()["success"] is False


@pytest.mark.parametrize("route", POSTS)
@pytest.mark.parametrize(
    "headers",
    [{"content-type": "text/plain"}, {"content-type": "application/vnd.bentoml+pickle"},
     {"content-type": "multipart/form-data; boundary=x"}, {},
     {"content-type": "application/json", "content-encoding": "gzip"}],
)  # fmt: skip
def test_a_wrong_media_type_is_415(leads, route, headers):
    assert leads.post(route, content=b"{}", headers=headers).status_code == 415


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_told_which_are_allowed(leads, method):
    for path in (*POSTS, *GETS, f"{ML}/leads/x", f"{ML}/predictions/x"):
        response = leads.request(method, path)
        assert response.status_code == 405
        assert response.headers["allow"]


def test_head_is_get_without_a_body(leads):
    for path in GETS:
        response = leads.head(path)
        assert (response.status_code, response.content) == (200, b"")
    assert leads.head(POSTS[0]).status_code == 405


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=-1", "limit=1e2", "limit=%C2%B2", "offset=" + "9" * 200,
     "offset=" + "0" * 12 + "9" * 100, "minScore=50.5", "maxScore=101", "query=%ff", "x=1",
     "&".join(f"limit={i}" for i in range(30))],
)  # fmt: skip
def test_a_bad_query_is_told_and_never_a_fault_of_ours(leads, query):
    response = leads.get(f"{ML}/leads?{query}")
    assert response.status_code == 422, response.text


@pytest.mark.parametrize("query", ["query=%5B", "query=(", "query=%00", "source=nobody", "query=*"])
def test_a_search_takes_any_text_literally(leads, query):
    assert leads.get(f"{ML}/leads?{query}").json()["data"]["total"] == 0


def test_one_bad_event_of_a_thousand_is_refused_alone(leads):
    sent = [created(f"one of many {i}", facts={"x": i}) for i in range(1_000)]
    sent[500] = created("one of many 500", facts={"x": "y" * 10_000})
    data = leads.post(EVENTS, json={"events": sent}).json()["data"]
    assert (data["accepted"], data["refused"]) == (999, 1)
    assert [each["index"] for each in data["events"] if not each["accepted"]] == [500]
    listed = leads.get(f"{ML}/leads?query=one of many 999").json()["data"]
    assert listed["total"] <= 1  # the list is made anew within a minute
    assert leads.post(POSTS[0], json={"leadId": "one of many 999"}).status_code == 200


@pytest.mark.parametrize("number", ["1e308", "-1e308", "5e-324", "9" * 30, "-0.0", "1e22"])
def test_any_number_that_a_float_holds_may_be_a_fact(leads, number):
    lead = f"number {number}"
    body = json.dumps(created(lead, facts={"x": 0})).replace('"x": 0', f'"x": {number}')
    response = leads.post(EVENTS, content=body, headers={"content-type": "application/json"})
    assert response.json()["data"]["accepted"] == 1, response.text
    for route in POSTS[:3]:
        assert leads.post(route, json={"leadId": lead}).status_code == 200
    assert leads.get(f"{ML}/leads/{lead}").status_code == 200


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400])
def test_a_number_beyond_a_float_is_refused(leads, number):
    body = json.dumps(created("beyond", facts={"x": 0})).replace('"x": 0', f'"x": {number}')
    response = leads.post(EVENTS, content=body, headers={"content-type": "application/json"})
    assert response.json()["data"]["accepted"] == 0


def test_known_facts_with_absurd_numbers_do_not_break_an_answer(leads):
    known = {"years_owned": 1e300, "timeline_months": -1e300, "mortgage_share": 1e-320}
    event = created("absurd", askingPriceUsd=1e10, leadSource="x" * 200, facts=known)
    assert leads.post(EVENTS, json=event).json()["data"]["accepted"] == 1
    for route in POSTS[:3]:
        response = leads.post(route, json={"leadId": "absurd"})
        assert response.status_code == 200
        assert b"null,null" not in response.content


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
names = st.sampled_from(
    ["leadId", "horizonsDays", "eventType", "entityId", "properties", "source", "occurredAt",
     "schemaVersion", "events", "x"]
)  # fmt: skip


@quiet
@given(st.sampled_from(POSTS), st.dictionaries(names, anything))
def test_no_body_is_a_fault_of_ours(leads, route, body):
    assert leads.post(route, json=body).status_code < 500
