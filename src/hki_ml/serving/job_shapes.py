"""The shapes of what is told about jobs, for the OpenAPI document and the tests that hold them to it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from hki_ml.serving.shapes import Shape


class JobData(Shape):
    """A file of questions, and how far its answers are."""

    job_id: str
    model: str
    name: str
    state: Literal["queued", "running", "cancelling", "done", "failed", "cancelled"]
    step: str
    rows: int | None = Field(description="rows of the file, once they are counted")
    to_score: int | None = Field(description="rows that are left after reading and joining")
    scored: int
    rejected: dict[str, int] = Field(description="reason to number of rows")
    created_at: str
    started_at: str | None
    ended_at: str | None
    seconds: float = Field(description="of work so far")
    seconds_left: float | None = Field(description="at the pace so far")
    as_of: str | None = Field(description="the moment that every answer of the file is of")
    model_versions: dict[str, str]
    detail: str | None = Field(description="why it failed")
    result_url: str | None
    rejects_url: str | None


class BatchModel(Shape):
    """A model that answers files, and what its answers may hold beyond the usual."""

    name: str
    also: list[str]


class JobsFound(Shape):
    """The latest jobs, newest first."""

    jobs: list[JobData]
    models: list[BatchModel]


ANSWERS: tuple[type[BaseModel], ...] = (JobData, JobsFound)
