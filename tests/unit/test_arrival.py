"""What anybody tells becomes an event or a counted refusal, never another error."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hki_ml.arrival import new_event
from hki_ml.errors import EventRejected
from hki_ml.events import decode, encode

NOW = datetime(2016, 6, 1, tzinfo=UTC)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
fields = ("eventType", "entityId", "properties", "source", "occurredAt", "schemaVersion")


def read(told):
    return new_event(told, received_at=NOW, latest=NOW + timedelta(minutes=5))


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(fields), anything))
def test_whatever_is_told_is_an_event_or_refused(told):
    sent = {"eventType": "lead.created", "entityId": "a"} | told
    with contextlib.suppress(EventRejected):
        made = read(sent)
        assert decode(encode(made)) == made


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "1899-12-31T23:59:59Z"])
def test_a_moment_before_1900_is_refused(moment):
    with pytest.raises(EventRejected, match="1900"):
        read({"eventType": "lead.replied", "entityId": "a", "occurredAt": moment})


@pytest.mark.parametrize("entity", ["a\x00b", "\n", "a\x7f"])
def test_an_id_that_no_route_can_be_asked_for_is_refused(entity):
    with pytest.raises(EventRejected, match="control"):
        read({"eventType": "lead.created", "entityId": entity})


@pytest.mark.parametrize("number", ["1e999", "9" * 400])
def test_a_number_too_large_for_a_float_is_refused(number):
    told = json.loads(f'{{"facts": {{"x": {number}}}}}')
    with pytest.raises(EventRejected):
        read({"eventType": "lead.created", "entityId": "a", "properties": told})
