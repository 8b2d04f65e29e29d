"""What a model was judged on, row by row: the one shape in which two models can be compared later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

COLUMNS: tuple[str, ...] = (
    "example_id",
    "happened_at",
    "entity",
    "segment",
    "outcome",
    "probability",
    "loss",
)
"""``entity`` is what rows belong together by, ``outcome`` the label as a number, ``probability`` what
was said of a yes-or-no (else missing), ``loss`` what is compared, lower being better."""
NO_SEGMENT = "unknown"
HELD = {80: "held_80", 95: "held_95"}
"""Further columns of models that state intervals: whether each held, by its level in percent."""
WAITED: tuple[str, ...] = ("days", "cause", "expected_days")
"""Further columns of models of time: days so far, how it ended (0 open, 1 closed, 2 lost), days expected."""


def judged(
    *,
    example_id: Sequence[str] | pd.Series,
    happened_at: pd.Series,
    entity: pd.Series,
    outcome: ArrayLike,
    loss: ArrayLike,
    segment: pd.Series | None = None,
    probability: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return one row an example that a model was judged on, each of shape ``(n,)``.

    Nothing but the model may differ between two of them: the same example has the same outcome.
    """
    n = len(happened_at)
    named = pd.Series(NO_SEGMENT, index=range(n)) if segment is None else segment
    return pd.DataFrame(
        {
            "example_id": np.asarray(example_id, dtype=object),
            "happened_at": happened_at.to_numpy(),
            "entity": entity.astype(str).to_numpy(),
            "segment": named.astype(object).where(named.notna(), NO_SEGMENT).to_numpy(),
            "outcome": np.asarray(outcome, np.float64),
            "probability": _or_missing(probability, n),
            "loss": np.asarray(loss, np.float64),
        }
    )


def _or_missing(values: ArrayLike | None, n: int) -> NDArray[Any]:
    return np.full(n, np.nan) if values is None else np.asarray(values, np.float64)
