"""The risk runner: what can go wrong with a deal, and what it costs."""

from __future__ import annotations

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.leads import LeadRunner


class RiskRunner(LeadRunner):
    """Holds the champion of ``risk``."""

    ROOM = "risk"


Risk = bentoml.service(name="risk", service_class=Runner, workers=1, **CONNECTION)(RiskRunner)
