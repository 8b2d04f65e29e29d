"""What of the table of incidents is still to be done, and how it is marked as done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime
from typing import get_args

import pyarrow as pa

from hki_ml.alerts import alert, send
from hki_ml.monitor_tables import INCIDENTS
from hki_ml.monitoring.incident import Incident, Route, State
from hki_ml.ports import Lake
from hki_ml.settings import Settings

TABLE = "incidents"
ALERTS: dict[Route, str] = {
    "mend_data": "data-broken",
    "retrain": "drift-found",
    "audit": "groups-fare-unlike",
    "none": "decision-harms",
}
STATES: tuple[State, ...] = get_args(State)


def latest(lake: Lake) -> dict[str, Incident]:
    """Return each incident as it stands, by its id, oldest first."""
    rows = lake.read(TABLE).to_pylist()
    # Of two rows of one moment the one further on counts: an incident never opens again by itself.
    rows.sort(key=lambda row: (row["at"], STATES.index(row["state"])))
    return {row["incident_id"]: Incident(**row) for row in rows}


def open_for(lake: Lake, route: str) -> list[Incident]:
    """Return the incidents of a route that nobody has taken over yet, oldest first."""
    return [each for each in latest(lake).values() if (each.state, each.route) == ("open", route)]


def hand_over(lake: Lake, incident: Incident, *, at: datetime) -> None:
    """Note that what the incident asks for was done."""
    done = replace(incident, state="handed_over", at=max(at, incident.at))
    lake.append(TABLE, pa.Table.from_pylist([asdict(done)], schema=INCIDENTS))


def close(lake: Lake, incident: Incident, *, at: datetime) -> None:
    """Note that the incident is over."""
    done = replace(incident, state="closed", at=max(at, incident.at))
    lake.append(TABLE, pa.Table.from_pylist([asdict(done)], schema=INCIDENTS))


def tell(settings: Settings, incidents: Iterable[Incident], *, now: datetime) -> None:
    """Send an alert of each open incident that somebody has to know of."""
    for each in incidents:
        if each.state != "open":
            continue
        kind = ALERTS[each.route]
        detail = f"{each.kind} of {each.subject}, {each.severity}, since {each.since.isoformat()}"
        send(
            settings, alert(kind, each.incident_id, f"{each.model}: {each.reason}", detail), now=now
        )
