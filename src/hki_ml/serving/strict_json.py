"""Reading a JSON body the strict way: one object, UTF-8, no duplicate keys, no NaN, no depth bombs."""

from __future__ import annotations

import json
from typing import Any, Never

from hki_ml.serving.problem import Problem, ProblemError

MAX_DEPTH = 16  # our deepest request has 4 levels


def read_object(body: bytes) -> dict[str, Any]:
    """Return the object that the body holds.

    Raises
    ------
    ProblemError
        400 if the body is not UTF-8, not JSON, nested deeper than ``MAX_DEPTH``, names a key twice,
        or holds NaN, Infinity or half a surrogate pair; 422 if it is JSON but no object.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise _malformed(f"expected at most {MAX_DEPTH} levels") from error
    except UnicodeError as error:
        raise _malformed("expected UTF-8 text without lone surrogates") from error
    except json.JSONDecodeError as error:
        raise _malformed(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except ValueError as error:
        told = str(error)
        raise _malformed("a number has too many digits" if "digits" in told else told) from error
    if not isinstance(value, dict):
        raise ProblemError(Problem("invalid-field", f"expected a JSON object, got {_kind(value)}"))
    if _depth(value) > MAX_DEPTH:
        raise _malformed(f"expected at most {MAX_DEPTH} levels")
    return value


def _malformed(detail: str) -> ProblemError:
    return ProblemError(Problem("malformed-json", detail))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"expected each key once, got {twice[:60]!r} twice")
    return content


def _constant(name: str) -> Never:
    raise ValueError(f"expected a number, got {name}, which JSON does not have")


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _depth(value: object) -> int:
    deepest, level = 0, [value]
    while level and deepest <= MAX_DEPTH:
        deepest += 1
        inner: list[object] = []
        for item in level:
            children = item.values() if isinstance(item, dict) else item
            inner.extend(c for c in children if isinstance(c, dict | list))  # type: ignore[attr-defined]
        level = inner
    return deepest
