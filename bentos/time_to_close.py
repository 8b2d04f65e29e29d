"""The runner of the time to close: when a lead closes or is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.leads import LeadRunner

if TYPE_CHECKING:
    from pathlib import Path


class TimeToCloseRunner(LeadRunner):
    """Holds the champion of ``time_to_close``."""

    ROOM = "time_to_close"

    def load(self, folder: Path, version: str) -> Any:
        """Return the version in the folder, warmed."""
        from hki_ml.models.time_to_close.predict import load

        return load(folder, version)


TimeToClose = bentoml.service(name="time_to_close", service_class=Runner, workers=1, **CONNECTION)(
    TimeToCloseRunner
)
