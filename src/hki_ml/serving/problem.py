"""Everything that can go wrong for a caller, in one shape: RFC 9457 problem details.

``type`` points into ``/docs``, where each kind is explained; nothing of our insides is ever told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hki_ml.errors import BadInput, FactOutOfRange, HkiError, NotFound, Unavailable
from hki_ml.serving.exchange import Response, encode

PROBLEM_JSON = "application/problem+json"

KINDS: dict[str, tuple[int, str, str]] = {
    "malformed-json": (400, "Malformed JSON", "The body is not one well-formed JSON object."),
    "not-found": (404, "Not found", "No such route, home, model or job."),
    "method-not-allowed": (405, "Method not allowed", "The route knows other methods; see Allow."),
    "not-ready": (409, "Not ready", "The job has not ended well; look at its progress."),
    "too-large": (413, "Body too large", "The body is larger than the service reads."),
    "media-type": (415, "Unsupported media type", "Bodies are application/json, unencoded."),
    "invalid-field": (422, "Invalid field", "A field is unknown, missing or out of its range."),
    "too-many": (429, "Too many", "Too much is waiting already; retry after Retry-After."),
    "internal": (500, "Internal error", "The fault is ours; quote the request id."),
    "unavailable": (503, "Unavailable", "Not able to answer just now; retry after Retry-After."),
}
"""Kind → (status, title, what it means)."""

RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of the body; ``pointer`` is a JSON pointer (RFC 6901)."""

    pointer: str
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a kind in ``KINDS``."""

    kind: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def status(self) -> int:
        """The HTTP status of its kind."""
        return KINDS[self.kind][0]


class ProblemError(Exception):
    """Carries a problem up to the door."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def invalid(pointer: str, reason: str) -> ProblemError:
    """Return the error of one bad field, to be raised."""
    return ProblemError(Problem("invalid-field", reason, (FieldError(pointer, reason),)))


def of_error(error: HkiError) -> Problem:
    """Return what a caller is told of an error raised below; what is not theirs stays untold."""
    if isinstance(error, FactOutOfRange):
        return Problem("invalid-field", error.detail, (FieldError(error.pointer, error.detail),))
    if isinstance(error, BadInput):
        return Problem("invalid-field", str(error))
    if isinstance(error, NotFound):
        return Problem("not-found", str(error))
    if isinstance(error, Unavailable):
        return unavailable("a store behind the service does not answer")
    return Problem("internal", KINDS["internal"][2])


def unavailable(detail: str) -> Problem:
    """Return a 503 with its Retry-After."""
    return Problem("unavailable", detail, headers=(("retry-after", str(RETRY_SECONDS)),))


def respond(problem: Problem, request_id: str) -> Response:
    """Return the problem as ``application/problem+json``."""
    status, title, _ = KINDS[problem.kind]
    body: dict[str, Any] = {
        "success": False,
        "type": f"/docs#problem-{problem.kind}",
        "title": title,
        "status": status,
        "detail": problem.detail,
        "errors": [{"pointer": e.pointer, "reason": e.reason} for e in problem.errors],
        "requestId": request_id,
    }
    return Response(status, encode(body), PROBLEM_JSON, problem.headers)
