"""What a serving process writes of itself: one JSON line an event, never a caller's facts."""

from __future__ import annotations

import sys

import structlog


def configure() -> None:
    """Write structlog's events to the standard error as JSON; traces without the values of locals."""
    tracer = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(tracer),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
