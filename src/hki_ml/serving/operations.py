"""Pieces of the OpenAPI document: an operation that asks, that looks up, that gives a page; a problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hki_ml.serving.problem import KINDS, PROBLEM_JSON

POSTED = (
    "malformed-json", "not-found", "method-not-allowed", "too-large", "media-type", "invalid-field",
    "internal", "unavailable",
)  # fmt: skip
"""What can go wrong with a body that is posted."""


def ref(name: str) -> dict[str, str]:
    """Return where a shape stands."""
    return {"$ref": f"#/components/schemas/{name}"}


def path(name: str) -> dict[str, Any]:
    """Return a parameter that stands in the path."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def post(summary: str, shapes_: tuple[str, str], example: Mapping[str, Any]) -> dict[str, Any]:
    """Return a route that a body is posted to."""
    asked, answered = shapes_
    name = "".join(word.capitalize() for word in answered.removesuffix("Data").split("_"))
    return {
        "post": {
            "summary": summary,
            "operationId": f"ask{name}",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": ref(asked), "example": example}},
            },
            "responses": responses(answered, *POSTED),
        }
    }


def get(
    summary: str,
    answer: str,
    *kinds: str,
    parameters: list[dict[str, Any]] | None = None,
    tagged: bool = False,
) -> dict[str, Any]:
    """Return a route that something is looked up at."""
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": responses(answer, *kinds, "method-not-allowed", "internal"),
    }
    if parameters:
        operation["parameters"] = parameters
    if tagged:
        operation["responses"]["304"] = {"description": "unchanged: If-None-Match named its ETag"}
    return {"get": operation}


def card() -> dict[str, Any]:
    """Return the operation of a model's card, which is text."""
    operation = plain(
        "The model card: limits, what was asked and reached, every figure", "text/html"
    )
    got = operation["get"]
    got["responses"]["200"]["content"] = {"text/html": {}, "text/markdown": {}}
    got["responses"] |= {
        status: told
        for status, told in responses(
            "ModelData", "not-found", "invalid-field", "unavailable"
        ).items()
        if status != "200"
    }
    got["parameters"] = [
        path("name"),
        {"name": "version", "in": "query", "schema": {"type": "string"}},
        {"name": "format", "in": "query", "schema": {"enum": ["html", "md"]}},
    ]
    return operation


def plain(summary: str, media_type: str, *kinds: str) -> dict[str, Any]:
    """Return a route that answers outside of the envelope."""
    responses: dict[str, Any] = {"200": {"description": "ok", "content": {media_type: {}}}}
    for kind in kinds:
        responses[str(KINDS[kind][0])] = {"description": KINDS[kind][1]}
    return {"get": {"summary": summary, "responses": responses}}


def responses(answer: str, *kinds: str) -> dict[str, Any]:
    """Return the answers of a route: the good one and the problems of these kinds."""
    schema = {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": ref(answer)},
    }
    id_header = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    responses: dict[str, Any] = {
        "200": {
            "description": "the answer",
            "headers": id_header,
            "content": {"application/json": {"schema": schema}},
        }
    }
    for kind in kinds:
        responses[str(KINDS[kind][0])] = problem(kind)
    return responses


def problem(kind: str) -> dict[str, Any]:
    """Return the answer that tells a problem of a kind."""
    _, title, meaning = KINDS[kind]
    headers: dict[str, Any] = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    if kind in {"unavailable", "too-many"}:
        headers["Retry-After"] = {"schema": {"type": "integer"}}
    return {
        "description": f"{title}. {meaning}",
        "headers": headers,
        "content": {PROBLEM_JSON: {"schema": ref("ProblemBody")}},
    }
