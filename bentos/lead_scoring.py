"""The lead scoring runner: which leads deserve the next hour, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.leads import LeadRunner

if TYPE_CHECKING:
    from pathlib import Path


class LeadScoringRunner(LeadRunner):
    """Holds the champion of ``lead_scoring``."""

    ROOM = "lead_scoring"

    def load(self, folder: Path, version: str) -> Any:
        """Return the version in the folder, warmed."""
        from hki_ml.models.lead_scoring.predict import load

        return load(folder, version)


LeadScoring = bentoml.service(name="lead_scoring", service_class=Runner, workers=1, **CONNECTION)(
    LeadScoringRunner
)
