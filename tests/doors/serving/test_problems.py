"""What a bad request gets: one shape, the right status, a pointer; never a trace, never a 5xx."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kc_client import HOME, VALUE

from hki_ml.serving import shapes
from hki_ml.serving.asgi import PICKLE
from hki_ml.serving.problem import KINDS

JSON = {"content-type": "application/json"}


def problem(response, status, kind):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    shapes.ProblemBody.model_validate(body, strict=True)
    assert (body["status"], body["type"]) == (status, f"/docs#problem-{kind}")
    assert body["requestId"] == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    return body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"propertyId": NaN}',
        b'{"propertyId": "a", "propertyId": "b"}',
        b"\xff\xfe",
        b'{"a":' * 50_000,
        b'{"propertyId": "\\ud83d"}',
    ],
)
def test_malformed_json_is_400(client, body):
    problem(client.post(VALUE, content=body, headers=JSON), 400, "malformed-json")


def test_an_unknown_id_is_404_in_the_same_words_whatever_it_is(client, value):
    said = [
        problem(value(propertyId=i), 404, "not-found")["detail"]
        for i in ("x", "' or 1=1", "🏠", "9" * 200)
    ]
    assert len(set(said)) == 1
    problem(client.get("/api/v1/ml/properties/nobody"), 404, "not-found")
    problem(client.get("/api/v1/ml/properties/" + "x" * 300), 404, "not-found")
    problem(client.get("/api/v1/ml/properties/a%2Fb%00%ff"), 404, "not-found")
    problem(client.get("/api/v1/ml/models/nothing"), 404, "not-found")


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api/v1/ml",
        "/docs.json",
        "/schema.json",
        "/static_content/x",
        "/api/v1/ml/properties/",
        "/api/v1/ml/value-property/",
        "/../etc/passwd",
    ],
)
def test_an_unknown_route_is_404(client, path):
    problem(client.get(path), 404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", VALUE, "POST"),
        ("DELETE", VALUE, "POST"),
        ("OPTIONS", VALUE, "POST"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/api/v1/ml/models", "GET, HEAD"),
        ("POST", f"/api/v1/ml/properties/{HOME}", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_405_and_told_the_right_ones(client, method, path, allowed):
    response = client.request(method, path)
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == allowed


def test_a_body_that_is_too_large_is_413_by_its_length_and_by_its_bytes(client):
    large = b'{"propertyId": "' + b"x" * 300_000 + b'"}'
    problem(client.post(VALUE, content=large, headers=JSON), 413, "too-large")
    pieces = (large[i : i + 10_000] for i in range(0, len(large), 10_000))
    problem(client.post(VALUE, content=pieces, headers=JSON), 413, "too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": PICKLE},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": "multipart/form-data; boundary=x"},
    ],
)
def test_any_other_media_type_is_415(client, headers):
    problem(client.post(VALUE, content=b'{"propertyId": "a"}', headers=headers), 415, "media-type")


def test_a_charset_does_not_matter(client):
    sent = {"content-type": "Application/JSON; charset=utf-8"}
    assert (
        client.post(VALUE, content=json.dumps({"propertyId": HOME}), headers=sent).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        ({"propertyId": HOME, "more": 1}, "/more"),
        ({"propertyId": HOME, "comparables": {"more": 1}}, "/comparables/more"),
        ({"facts": {"livingSqft": 10}}, "/facts/livingSqft"),
        ({"facts": {"livingSqft": "1000"}}, "/facts/livingSqft"),
        ({"facts": {"bedrooms": -1}}, "/facts/bedrooms"),
        ({"facts": {"price": 1}}, "/facts/price"),
        ({"propertyId": HOME, "facts": {}}, ""),
        ({}, ""),
        ({"propertyId": ""}, "/propertyId"),
        ({"propertyId": "a\u0000b"}, "/propertyId"),
        ({"propertyId": 7}, "/propertyId"),
        ({"propertyId": HOME, "asOf": "2999-01-01"}, "/asOf"),
        ({"propertyId": HOME, "asOf": "soon"}, "/asOf"),
        ({"propertyId": HOME, "asOf": 2016}, "/asOf"),
        ({"propertyId": HOME, "comparables": {"count": 2}}, "/comparables/count"),
        ({"propertyId": HOME, "comparables": {"count": 3.5}}, "/comparables/count"),
        ({"propertyId": HOME, "comparables": {"pin": [1]}}, "/comparables/pin/0"),
        ({"propertyId": HOME, "investment": {"sellingCostRate": 7}}, "/investment/sellingCostRate"),
        ({"propertyId": HOME, "overrides": {"yearBuilt": 3000}}, "/overrides/yearBuilt"),
    ],
)
def test_a_bad_field_is_422_with_its_pointer(value, content, pointer):
    said = problem(value(**content), 422, "invalid-field")
    assert pointer in [error["pointer"] for error in said["errors"]]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=²",
        "more=1",
        "query=" + "x" * 201,
        "query=%ff",
        "&".join(f"query={i}" for i in range(50)),
    ],
)
def test_a_bad_search_is_422(client, query):
    problem(client.get(f"/api/v1/ml/properties?{query}"), 422, "invalid-field")


def test_without_a_model_it_is_503_with_retry_after(application):
    runner = application.service.valuation
    held, runner._resolved.holder.held = runner._resolved.holder.held, None
    runner._resolved.holder.close()
    try:
        runner._resolved.holder.held = None
        response = application.front.post(VALUE, json={"propertyId": HOME})
        problem(response, 503, "unavailable")
        assert int(response.headers["retry-after"]) > 0
        assert application.front.get("/readyz").status_code == 503
        assert application.front.get("/livez").status_code == 200
    finally:
        runner._resolved.holder.held = held


def test_a_silent_store_is_503_for_an_unread_home_and_stale_for_a_read_one(
    application, stores_home
):
    from kc_stores import silence

    front = application.front
    assert front.post(VALUE, json={"propertyId": HOME}).status_code == 200
    facts = application.service.opened.valuing.homes
    known = facts._known[HOME]
    silence(stores_home, "features")
    try:
        facts._known[HOME] = (known[0].replace(year=2000), known[1])
        said = front.post(VALUE, json={"propertyId": HOME}).json()["data"]
        assert (said["degraded"], said["fallbackLevel"]) == (True, "staleFeatures")
        problem(front.post(VALUE, json={"propertyId": "2487200875x"}), 503, "unavailable")
    finally:
        silence(stores_home, "features", silent=False)


def test_an_error_of_ours_tells_nothing_of_our_insides(application, capfd):
    gateway = application.service.opened

    async def broken(question):
        raise RuntimeError("secret of the house")

    from dataclasses import replace

    application.change(valuing=replace(gateway.valuing, ask=broken))
    try:
        response = application.front.post(VALUE, json={"facts": {"livingSqft": 1000}})
        problem(response, 500, "internal")
        assert "secret" not in response.text
    finally:
        application.change(valuing=gateway.valuing)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("abc-1.2_X", True), ("a b", False), ("x" * 129, False), ("", False), ("é", False)],
)
def test_a_request_id_is_echoed_where_it_is_harmless(client, sent, kept):
    told = client.get("/api/v1/ml/models", headers={"x-request-id": sent.encode()}).headers[
        "x-request-id"
    ]
    assert (told == sent) is kept


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
numbers = st.floats(-1e7, 1e7) | st.integers(-10, 3000)
facts = st.dictionaries(
    st.sampled_from(
        [
            "livingSqft",
            "latitude",
            "longitude",
            "bedrooms",
            "yearBuilt",
            "area",
            "qualityGrade",
            "isWaterfront",
            "extra",
            "bathrooms",
        ]
    ),
    numbers | trees,
    max_size=6,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "propertyId": st.just(HOME) | trees,
        "facts": facts | trees,
        "overrides": facts,
        "asOf": st.text(max_size=25) | st.datetimes().map(str) | trees,
        "comparables": st.dictionaries(
            st.sampled_from(["pin", "exclude", "radiusKm", "months", "count"]), trees | numbers
        ),
        "investment": st.dictionaries(
            st.sampled_from(["rehabCostUsd", "holdingMonths", "lossProbability"]), numbers | trees
        ),
    },
)
fuzzing = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzzing
@given(body=bodies | trees)
def test_no_json_whatever_gets_a_5xx(client, body):
    response = client.post(VALUE, content=json.dumps(body).encode(), headers=JSON)
    assert response.status_code in (200, 400, 404, 422), response.text


@fuzzing
@given(
    body=st.binary(max_size=300),
    kind=st.sampled_from(["application/json", PICKLE, "text/html", "application/json;"]),
)
def test_no_bytes_whatever_get_a_5xx(client, body, kind):
    assert client.post(VALUE, content=body, headers={"content-type": kind}).status_code < 500


@fuzzing
@given(query=st.text(max_size=30), limit=st.integers(-5, 200) | st.text(max_size=4))
def test_no_search_whatever_gets_a_5xx(client, query, limit):
    response = client.get("/api/v1/ml/properties", params={"query": query, "limit": limit})
    assert response.status_code in (200, 422)


def test_every_kind_of_problem_is_explained_in_the_docs(client):
    text = client.get("/docs").text
    assert all(f'id="problem-{kind}"' in text for kind in KINDS)
