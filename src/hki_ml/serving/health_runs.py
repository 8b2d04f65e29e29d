"""How the flows last ended, as their server knows it; asked at most every half a minute."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hki_ml.errors import HkiError
from hki_ml.ports import Orchestrator, Run
from hki_ml.serving.asked import iso

ASKED_ANEW = timedelta(seconds=30)
NO_SERVER = "no Prefect server is known to this service (PREFECT_API_URL)"


@dataclass(slots=True)
class LastRuns:
    """The latest run of each deployment that came to an end; unknown without a server that answers."""

    orchestrator: Callable[[], Orchestrator | None]
    _known: tuple[datetime, dict[str, Any]] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def told(self, now: datetime) -> dict[str, Any]:
        """Return ``latest``, one a deployment, and ``unknownBecause`` where nobody can say."""
        with self._lock:
            if self._known is None or not self._known[0] <= now < self._known[0] + ASKED_ANEW:
                self._known = (now, self._ask())
            return self._known[1]

    def _ask(self) -> dict[str, Any]:
        server = self.orchestrator()
        if server is None:
            return {"latest": [], "unknownBecause": NO_SERVER}
        try:
            found = server.latest()
        except HkiError as error:
            return {"latest": [], "unknownBecause": str(error)}
        return {"latest": [_told(*each) for each in found.items()], "unknownBecause": None}


def _told(deployment: str, run: Run | None) -> dict[str, Any]:
    if run is None:
        return {
            "deployment": deployment,
            "state": "unknown",
            "endedAt": None,
            "said": "never ended",
        }
    state = "ok" if run.state == "COMPLETED" else "alarm"
    said = ": ".join(each for each in (run.state_name, run.message) if each)
    return {"deployment": deployment, "state": state, "endedAt": iso(run.since), "said": said}
