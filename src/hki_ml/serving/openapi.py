"""Our own OpenAPI 3.1 document, made from the models that requests are read with and answers held to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hki_ml.serving import deal_shapes, lead_shapes, shapes
from hki_ml.serving.asked import ValuePropertyBody
from hki_ml.serving.deals import MatchBody
from hki_ml.serving.event_door import EventsBody
from hki_ml.serving.lead_board import FILTERS as LEAD_FILTERS
from hki_ml.serving.leads import ConversionBody, LeadBody
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
    *lead_shapes.ANSWERS,
    *deal_shapes.ANSWERS,
)
EXAMPLE = {"propertyId": "0001800010", "asOf": "2016-07-01"}
LEAD = {"leadId": "lead_000123"}
EVENT = {"eventType": "lead.replied", "entityId": "lead_000123", "properties": {"channel": "phone"}}
BODIES = (ValuePropertyBody, LeadBody, ConversionBody, MatchBody, EventsBody)


POSTED = (
    "malformed-json", "not-found", "method-not-allowed", "too-large", "media-type", "invalid-field",
    "internal", "unavailable",
)  # fmt: skip
"""What can go wrong with a body that is posted."""


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """Return the document."""
    _, asked = models_json_schema([(body, "validation") for body in BODIES], ref_template=REF)
    _, told = models_json_schema([(a, "serialization") for a in ANSWERS], ref_template=REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HKI ML",
            "version": "1",
            "summary": "What a home is worth, which lead to call first, when it closes; and why.",
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
        f"{API}/value-property": _post(
            "Value a home, by id or by facts, now or as of a past day",
            ("ValuePropertyBody", "ValuationData"),
            EXAMPLE,
        ),
        f"{API}/score-lead": _post(
            "Score a lead: how much it deserves the next hour, why, and what to do",
            ("LeadBody", "ScoreData"),
            LEAD,
        ),
        f"{API}/predict-conversion": _post(
            "Whether a lead closes, by when and through which stages",
            ("ConversionBody", "ConversionData"),
            LEAD | {"horizonsDays": [30, 90]},
        ),
        f"{API}/predict-time-to-close": _post(
            "When a lead closes or is lost", ("LeadBody", "TimeData"), LEAD
        ),
        f"{API}/match-investors": _post(
            "Who should see a deal, why, and what would admit others",
            ("MatchBody", "MatchData"),
            LEAD | {"limit": 5},
        ),
        f"{API}/assess-risk": _post(
            "What can go wrong with a deal, and what it costs", ("LeadBody", "RiskData"), LEAD
        ),
        "/api/v1/events": _post(
            "Take in one event, or up to a thousand under events",
            ("EventsBody", "EventsTaken"),
            EVENT,
        ),
        f"{API}/predictions/{{predictionId}}": _get(
            "A prediction as it was made",
            "PredictionData",
            "not-found",
            "unavailable",
            parameters=[_path("predictionId")],
        ),
        f"{API}/predictions/{{predictionId}}/explanation": _get(
            "Why a prediction said what it said",
            "ExplanationData",
            "not-found",
            "unavailable",
            parameters=[_path("predictionId")],
        ),
        f"{API}/leads": _get(
            "Open leads by score, best first",
            "LeadsFound",
            "invalid-field",
            "unavailable",
            parameters=[
                {"name": name, "in": "query", "schema": {"type": "string", "maxLength": 200}}
                for name in LEAD_FILTERS
            ],
        ),
        f"{API}/leads/{{leadId}}": _get(
            "What is known of a lead, and its score over time",
            "LeadCard",
            "not-found",
            "unavailable",
            parameters=[_path("leadId")],
        ),
        f"{API}/track-record": _get("Whether scores came true", "TrackRecordData", "unavailable"),
        f"{API}/investors/{{investorId}}": _get(
            "What is known of an investor, and the open deals that suit them",
            "InvestorData",
            "not-found",
            "unavailable",
            parameters=[_path("investorId")],
        ),
        "/deals": _plain("The page of deals: who buys, and what can go wrong", "text/html"),
        "/leads": _plain("The page of leads: whom to call first, and why", "text/html"),
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
        f"{API}/models/{{name}}/card": _card(),
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


def _post(summary: str, shapes_: tuple[str, str], example: Mapping[str, Any]) -> dict[str, Any]:
    asked, answered = shapes_
    name = "".join(word.capitalize() for word in answered.removesuffix("Data").split("_"))
    return {
        "post": {
            "summary": summary,
            "operationId": f"ask{name}",
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": _ref(asked), "example": example}},
            },
            "responses": _responses(answered, *POSTED),
        }
    }


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


def _card() -> dict[str, Any]:
    """Return the operation of a model's card, which is text."""
    operation = _plain(
        "The model card: limits, what was asked and reached, every figure", "text/html"
    )
    got = operation["get"]
    got["responses"]["200"]["content"] = {"text/html": {}, "text/markdown": {}}
    got["responses"] |= {
        status: told
        for status, told in _responses(
            "ModelData", "not-found", "invalid-field", "unavailable"
        ).items()
        if status != "200"
    }
    got["parameters"] = [
        _path("name"),
        {"name": "version", "in": "query", "schema": {"type": "string"}},
        {"name": "format", "in": "query", "schema": {"enum": ["html", "md"]}},
    ]
    return operation


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
