"""The tables of the watch, as Arrow schemas; ``hki_ml.tables`` lists them with the others."""

from __future__ import annotations

import pyarrow as pa

TIME = pa.timestamp("us", "UTC")

_TEXTS_OF_CHECKS = ("check_id", "model", "model_version", "kind", "subject")
_NUMBERS_OF_CHECKS = ("value", "lower", "upper", "reference", "threshold")

MONITOR_CHECKS = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS_OF_CHECKS),
        ("window_start", TIME), ("window_end", TIME), ("n", pa.int64()),
        *((name, pa.float64()) for name in _NUMBERS_OF_CHECKS),
        ("raw_signal", pa.bool_()), ("signal", pa.bool_()), ("alarm", pa.bool_()),
        ("severity", pa.string()), ("detail_json", pa.string()), ("decided_at", TIME),
    ]
)  # fmt: skip
"""One row a look at one thing in one window; ``alarm`` is null where too little was seen to say."""

INCIDENTS = pa.schema(
    [
        *((name, pa.string()) for name in ("incident_id", "model", "kind", "subject", "reason", "severity")),
        *((name, TIME) for name in ("since", "window_start", "window_end")),
        ("route", pa.string()), ("state", pa.string()), ("at", TIME),
    ]
)  # fmt: skip
"""What somebody has to act on, one row a change of state: the last row of an incident is what holds."""
