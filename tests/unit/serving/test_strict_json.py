from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hki_ml.serving.problem import ProblemError
from hki_ml.serving.strict_json import MAX_DEPTH, read_object

simple = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
objects = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])), simple | st.lists(simple)
)


@given(objects)
def test_what_is_written_as_json_is_read_back(content):
    assert read_object(json.dumps(content).encode()) == content


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1, "a": 2}', "each key once"),
        (b'{"a": {"b": 1, "b": 2}}', "each key once"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b'{"a": "\\ud800"}', "surrogates"),
        (b'\xef\xbb\xbf{"a": 1}', "BOM"),
        (b'{"a": 1} {"b": 2}', "Extra data"),
        (b'{"a":' * 100_000, "levels"),
        (b"[" * 100_000, "levels"),
        (b'{"a":' * MAX_DEPTH + b"[]" + b"}" * MAX_DEPTH, "levels"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_what_is_not_strict_json_is_malformed(body, detail):
    with pytest.raises(ProblemError, match=detail) as caught:
        read_object(body)
    assert caught.value.problem.status == 400


@pytest.mark.parametrize("body", [b"[]", b"3", b'"x"', b"null", b"true"])
def test_json_that_is_no_object_is_well_formed_but_invalid(body):
    with pytest.raises(ProblemError, match="expected a JSON object") as caught:
        read_object(body)
    assert caught.value.problem.status == 422


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body):
    try:
        assert isinstance(read_object(body), dict)
    except ProblemError as error:
        assert error.problem.status in (400, 422)  # noqa: PT017 - it may also be read
