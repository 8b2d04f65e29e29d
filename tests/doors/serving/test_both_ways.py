"""The front door and BentoML's own path answer with the same bytes, good or bad."""

from __future__ import annotations

import pytest
from kc_client import HOME, VALUE

SENT = {"content-type": "application/json", "x-request-id": "same"}


@pytest.mark.parametrize(
    "body",
    [
        f'{{"propertyId": "{HOME}"}}',
        f'{{"propertyId": "{HOME}", "asOf": "2014-12-01", "comparables": {{"count": 20}}}}',
        '{"facts": {"livingSqft": 1000, "latitude": 47.5, "longitude": -122.2, "yearBuilt": 1950}}',
        '{"facts": {}}',
        '{"propertyId": "nobody"}',
        '{"propertyId": 1, "x": 2}',
        "{",
        "",
        "[]",
        '{"a": NaN}',
        '{"a": 1, "a": 1}',
    ],
)
def test_a_body_gets_the_same_answer_on_both_paths(application, body):
    fast = application.front.post(VALUE, content=body, headers=SENT)
    slow = application.behind.post(VALUE, content=body, headers=SENT)
    assert slow.content == fast.content
    assert slow.status_code == fast.status_code
    for name in ("content-type", "x-request-id", "x-content-type-options"):
        assert slow.headers[name] == fast.headers[name]


def test_pickled_bodies_are_refused_on_both_paths(application):
    for way in (application.front, application.behind):
        response = way.post(
            VALUE, content=b"x", headers={"content-type": "application/vnd.bentoml+pickle"}
        )
        assert response.status_code == 415
