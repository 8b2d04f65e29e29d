"""The routes of files and jobs, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from hki_ml.serving.jobs import CSV, PARQUET
from hki_ml.serving.operations import get, path, plain, post, problem
from hki_ml.serving.problem import KINDS

API = "/api/v1/ml"


def job_paths() -> dict[str, Any]:
    """Return the routes by their paths."""
    job, file = [path("jobId")], {"schema": {"type": "string", "format": "binary"}}
    batch = post(
        "Answer many ids: a JSON list, or a CSV or Parquet file as the body, asked for in the query",
        ("BatchBody", "JobData"),
        {"model": "lead_scoring", "ids": ["lead_000123"], "result": "csv"},
    )
    asked = batch["post"]
    asked["requestBody"]["content"] |= {CSV: file, PARQUET: file}
    asked["parameters"] = [
        {"name": name, "in": "query", "schema": {"type": "string", "maxLength": 200}}
        for name in ("model", "result", "also", "name")
    ]
    asked["operationId"] = "askBatch"
    asked["responses"] = {
        "202": asked["responses"].pop("200"), **asked["responses"], "429": problem("too-many"),
    }  # fmt: skip
    one = get("How far a job is", "JobData", "not-found", parameters=job)
    one["delete"] = {
        **get("Cancel a job, or remove one that has ended", "JobData", "not-found")["get"],
        "parameters": job,
    }
    return {
        f"{API}/batch": batch,
        f"{API}/jobs": get("The latest jobs, newest first", "JobsFound"),
        f"{API}/jobs/{{jobId}}": one,
        f"{API}/jobs/{{jobId}}/result": _file("The answers of a job", job, CSV, PARQUET),
        f"{API}/jobs/{{jobId}}/rejects": _file("The rows without an answer, and why", job, CSV),
        "/jobs": plain("The page of jobs: files of questions and their answers", "text/html"),
    }


def _file(summary: str, parameters: list[dict[str, Any]], *kinds: str) -> dict[str, Any]:
    responses = {"200": {"description": "the file", "content": {kind: {} for kind in kinds}}}
    for kind in ("not-found", "method-not-allowed", "not-ready", "internal"):
        responses[str(KINDS[kind][0])] = problem(kind)
    return {"get": {"summary": summary, "parameters": parameters, "responses": responses}}
