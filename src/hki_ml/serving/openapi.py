"""Our own OpenAPI 3.1 document, made from the models that requests are read with and answers held to."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from hki_ml.serving import deal_shapes, health_shapes, job_shapes, lead_shapes, shapes
from hki_ml.serving.asked import ValuePropertyBody
from hki_ml.serving.call_list import TERMS as CALL_TERMS
from hki_ml.serving.deals import MatchBody
from hki_ml.serving.event_door import EventsBody
from hki_ml.serving.job_paths import job_paths
from hki_ml.serving.jobs import BatchBody
from hki_ml.serving.lead_board import FILTERS as LEAD_FILTERS
from hki_ml.serving.leads import ConversionBody, LeadBody
from hki_ml.serving.operations import card, get, path, plain, post
from hki_ml.serving.portfolio import PortfolioBody

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
    *health_shapes.ANSWERS,
    *deal_shapes.ANSWERS,
    *job_shapes.ANSWERS,
)
EXAMPLE = {"propertyId": "0001800010", "asOf": "2016-07-01"}
LEAD = {"leadId": "lead_000123"}
EVENT = {"eventType": "lead.replied", "entityId": "lead_000123", "properties": {"channel": "phone"}}
BODIES = (
    ValuePropertyBody,
    LeadBody,
    ConversionBody,
    MatchBody,
    PortfolioBody,
    EventsBody,
    BatchBody,
)


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
        f"{API}/value-property": post(
            "Value a home, by id or by facts, now or as of a past day",
            ("ValuePropertyBody", "ValuationData"),
            EXAMPLE,
        ),
        f"{API}/score-lead": post(
            "Score a lead: how much it deserves the next hour, why, and what to do",
            ("LeadBody", "ScoreData"),
            LEAD,
        ),
        f"{API}/predict-conversion": post(
            "Whether a lead closes, by when and through which stages",
            ("ConversionBody", "ConversionData"),
            LEAD | {"horizonsDays": [30, 90]},
        ),
        f"{API}/predict-time-to-close": post(
            "When a lead closes or is lost", ("LeadBody", "TimeData"), LEAD
        ),
        f"{API}/match-investors": post(
            "Who should see a deal, why, and what would admit others",
            ("MatchBody", "MatchData"),
            LEAD | {"limit": 5},
        ),
        f"{API}/match-portfolio": post(
            "Who is offered which of many deals, placed at once; without leadIds all open ones",
            ("PortfolioBody", "PortfolioData"),
            {"offersPerDeal": 5},
        ),
        f"{API}/assess-risk": post(
            "What can go wrong with a deal, and what it costs", ("LeadBody", "RiskData"), LEAD
        ),
        "/api/v1/events": post(
            "Take in one event, or up to a thousand under events",
            ("EventsBody", "EventsTaken"),
            EVENT,
        ),
        f"{API}/predictions/{{predictionId}}": get(
            "A prediction as it was made",
            "PredictionData",
            "not-found",
            "unavailable",
            parameters=[path("predictionId")],
        ),
        f"{API}/predictions/{{predictionId}}/explanation": get(
            "Why a prediction said what it said",
            "ExplanationData",
            "not-found",
            "unavailable",
            parameters=[path("predictionId")],
        ),
        f"{API}/leads": get(
            "Open leads by score, best first",
            "LeadsFound",
            "invalid-field",
            "unavailable",
            parameters=[
                {"name": name, "in": "query", "schema": {"type": "string", "maxLength": 200}}
                for name in LEAD_FILTERS
            ],
        ),
        f"{API}/leads/{{leadId}}": get(
            "What is known of a lead, and its score over time",
            "LeadCard",
            "not-found",
            "unavailable",
            parameters=[path("leadId")],
        ),
        f"{API}/health": get(
            "How the models do, over time, with intervals", "HealthData", "unavailable"
        ),
        f"{API}/call-list": get(
            "Whom to call with the people and minutes that there are, by expected profit",
            "CallListData",
            "invalid-field",
            "unavailable",
            parameters=[
                {"name": name, "in": "query", "schema": {"type": "number"}} for name in CALL_TERMS
            ],
        ),
        f"{API}/track-record": get("Whether scores came true", "TrackRecordData", "unavailable"),
        f"{API}/investors/{{investorId}}": get(
            "What is known of an investor, and the open deals that suit them",
            "InvestorData",
            "not-found",
            "unavailable",
            parameters=[path("investorId")],
        ),
        "/deals": plain("The page of deals: who buys, and what can go wrong", "text/html"),
        "/leads": plain("The page of leads: whom to call first, and why", "text/html"),
        "/health": plain("The page of health: figures over time, drifts, freshness", "text/html"),
        **job_paths(),
        f"{API}/properties": get(
            "Search homes by a piece of their id or area",
            "HomesFound",
            "invalid-field",
            "unavailable",
            parameters=[query, limit],
        ),
        f"{API}/properties/{{id}}": get(
            "The facts of a home", "HomeData", "not-found", "unavailable", parameters=[path("id")]
        ),
        f"{API}/models": get("The models that answer here", "ModelList", tagged=True),
        f"{API}/models/{{name}}": get(
            "What serves of a model, its versions and figures",
            "ModelData",
            "not-found",
            parameters=[path("name")],
            tagged=True,
        ),
        f"{API}/models/{{name}}/card": card(),
        "/livez": plain("The process is alive", "text/plain"),
        "/readyz": plain("A model is loaded and answers", "text/plain", "unavailable"),
        "/metrics": plain("Prometheus metrics", "text/plain"),
        "/docs": plain("This document for people", "text/html"),
        "/openapi.json": plain("This document", "application/json"),
        "/": plain("The page: look a home up and see its value with its evidence", "text/html"),
    }
