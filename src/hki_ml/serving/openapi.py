"""Our own OpenAPI 3.1 document, made from the models that requests are read with and answers held to."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hki_ml.serving import shapes
from hki_ml.serving.asked import ValuePropertyBody
from hki_ml.serving.problem import KINDS, PROBLEM_JSON

API = "/api/v1/ml"
REF = "#/components/schemas/{model}"
ANSWERS: tuple[type[BaseModel], ...] = (
    shapes.ValuationData,
    shapes.HomesFound,
    shapes.HomeData,
    shapes.ModelList,
    shapes.ModelData,
    shapes.ProblemBody,
)
EXAMPLE = {"propertyId": "0001800010", "asOf": "2016-07-01"}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Return the document."""
    _, asked = models_json_schema([(ValuePropertyBody, "validation")], ref_template=REF)
    _, told = models_json_schema([(a, "serialization") for a in ANSWERS], ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HKI ML",
            "version": "1",
            "summary": "What a home is worth, how sure we are, and compared with what.",
            "description": "JSON in camelCase, times ISO 8601 UTC, money in whole US dollars, areas in "
            "square feet. Unknown fields are refused. Problems are RFC 9457 documents.",
        },
        "paths": _paths(),
        "components": {
            "schemas": {**asked["$defs"], **told["$defs"]},
            "headers": {
                "RequestId": {
                    "description": "the caller's X-Request-Id, or a new one",
                    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
                }
            },
        },
    }


def _paths() -> dict[str, Any]:
    query = {"name": "query", "in": "query", "schema": {"type": "string", "maxLength": 200}}
    limit = {
        "name": "limit",
        "in": "query",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100},
    }
    return {
        f"{API}/value-property": {
            "post": {
                "summary": "Value a home, by id or by facts, now or as of a past day",
                "operationId": "valueProperty",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": _ref("ValuePropertyBody"),
                            "example": EXAMPLE,
                        }
                    },
                },
                "responses": _responses(
                    "ValuationData",
                    "malformed-json",
                    "not-found",
                    "method-not-allowed",
                    "too-large",
                    "media-type",
                    "invalid-field",
                    "internal",
                    "unavailable",
                ),
            }
        },
        f"{API}/properties": _get(
            "Search homes by a piece of their id or area",
            "HomesFound",
            "invalid-field",
            "unavailable",
            parameters=[query, limit],
        ),
        f"{API}/properties/{{id}}": _get(
            "The facts of a home", "HomeData", "not-found", "unavailable", parameters=[_path("id")]
        ),
        f"{API}/models": _get("The models that answer here", "ModelList", tagged=True),
        f"{API}/models/{{name}}": _get(
            "What serves of a model, its versions and figures",
            "ModelData",
            "not-found",
            parameters=[_path("name")],
            tagged=True,
        ),
        "/livez": _plain("The process is alive", "text/plain"),
        "/readyz": _plain("A model is loaded and answers", "text/plain", "unavailable"),
        "/metrics": _plain("Prometheus metrics", "text/plain"),
        "/docs": _plain("This document for people", "text/html"),
        "/openapi.json": _plain("This document", "application/json"),
        "/": _plain("The page: look a home up and see its value with its evidence", "text/html"),
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _get(
    summary: str,
    answer: str,
    *kinds: str,
    parameters: list[dict[str, Any]] | None = None,
    tagged: bool = False,
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": _responses(answer, *kinds, "method-not-allowed", "internal"),
    }
    if parameters:
        operation["parameters"] = parameters
    if tagged:
        operation["responses"]["304"] = {"description": "unchanged: If-None-Match named its ETag"}
    return {"get": operation}


def _plain(summary: str, media_type: str, *kinds: str) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "ok", "content": {media_type: {}}}}
    for kind in kinds:
        responses[str(KINDS[kind][0])] = {"description": KINDS[kind][1]}
    return {"get": {"summary": summary, "responses": responses}}


def _responses(answer: str, *kinds: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": _ref(answer)},
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
        status, title, meaning = KINDS[kind]
        headers: dict[str, Any] = dict(id_header)
        if kind == "unavailable":
            headers["Retry-After"] = {"schema": {"type": "integer"}}
        responses[str(status)] = {
            "description": f"{title}. {meaning}",
            "headers": headers,
            "content": {PROBLEM_JSON: {"schema": _ref("ProblemBody")}},
        }
    return responses
