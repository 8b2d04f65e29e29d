"""The documented API is the API: each route answers, each answer is documented."""

from __future__ import annotations

import re

import pytest
from kc_client import HOME, VALUE

from hki_ml.serving.openapi import document

ROUTES = [(path, method) for path, methods in document()["paths"].items() for method in methods]
# These ask of leads, which the stores of King County do not have: tried in test_leads.
OF_LEADS = re.compile(
    r"lead|conversion|time-to-close|match-|assess-risk|investors|call-list|events|predictions|track-record|batch|jobs/"
)
OF_HOMES = [route for route in ROUTES if not OF_LEADS.search(route[0])]
FILLED = {"{id}": HOME, "{name}": "valuation"}


@pytest.mark.parametrize(("path", "method"), OF_HOMES)
def test_every_documented_route_answers_as_documented(client, path, method):
    operation = document()["paths"][path][method]
    for hole, value in FILLED.items():
        path = path.replace(hole, value)
    response = client.request(method, path, json={"propertyId": HOME} if method == "post" else None)
    assert response.status_code == 200
    kinds = list(operation["responses"]["200"]["content"])
    assert response.headers["content-type"].split(";")[0] in kinds


def test_the_document_is_openapi_31_and_every_reference_leads_somewhere(client):
    told = client.get("/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    for reference in set(re.findall(r'"\$ref":\s*"#/([^"]+)"', client.get("/openapi.json").text)):
        place = told
        for part in reference.split("/"):
            place = place[part]


def test_value_property_documents_every_status_that_it_gives():
    told = document()["paths"][VALUE]["post"]["responses"]
    assert set(told) == {"200", "400", "404", "405", "413", "415", "422", "500", "503"}
    for status, response in told.items():
        if status != "200":
            assert "application/problem+json" in response["content"]


def test_the_docs_page_shows_every_route_and_schema(client):
    text = client.get("/docs").text
    assert all(path in text for path, _ in ROUTES)
    assert all(f'id="{name}"' in text for name in document()["components"]["schemas"])


def test_metrics_count_by_route_template_not_by_path(client):
    client.get("/api/v1/ml/properties/nobody-in-particular")
    client.get("/scanner/attack.php")
    text = client.get("/metrics").text
    assert "hki_request_seconds" in text
    assert "nobody-in-particular" not in text
    assert "attack.php" not in text
