"""The lead scoring runner: which leads deserve the next hour, and why."""

from __future__ import annotations

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.leads import LeadRunner


class LeadScoringRunner(LeadRunner):
    """Holds the champion of ``lead_scoring``."""

    ROOM = "lead_scoring"


LeadScoring = bentoml.service(name="lead_scoring", service_class=Runner, workers=1, **CONNECTION)(
    LeadScoringRunner
)
