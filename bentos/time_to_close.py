"""The runner of the time to close: when a lead closes or is lost."""

from __future__ import annotations

import bentoml

from bentos.embedding import CONNECTION, Runner
from bentos.leads import LeadRunner


class TimeToCloseRunner(LeadRunner):
    """Holds the champion of ``time_to_close``."""

    ROOM = "time_to_close"


TimeToClose = bentoml.service(name="time_to_close", service_class=Runner, workers=1, **CONNECTION)(
    TimeToCloseRunner
)
