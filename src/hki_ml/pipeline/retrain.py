"""A model learns again, for a reason: only from sound data, not too often, and through the gate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hki_ml.alerts import alert, send
from hki_ml.errors import Conflict, HkiError, NotFound, Unavailable
from hki_ml.monitoring.incident import Incident
from hki_ml.pipeline.incidents import hand_over, latest
from hki_ml.pipeline.promote import promote
from hki_ml.pipeline.quality import data_quality
from hki_ml.pipeline.train import train
from hki_ml.wiring import Backend


@dataclass(frozen=True, slots=True)
class Retrained:
    """What a retraining did, or why it did nothing.

    Attributes
    ----------
    outcome
        ``promoted``, ``not promoted``, ``data broken``, ``cooling down`` or ``already done``.
    reasons
        One sentence each.
    version
        What was trained, or what stood there already; ``champion`` is who serves now.
    """

    model: str
    reason: str
    outcome: str
    reasons: tuple[str, ...] = ()
    version: str | None = None
    champion: str | None = None
    is_new: bool = False


def retrain(
    backend: Backend,
    model: str,
    *,
    reason: str,
    as_of: datetime,
    incident_id: str | None = None,
    window: tuple[datetime, datetime] | None = None,
) -> Retrained:
    """Train a model on what is known at ``as_of`` and hand it to the gate.

    A broken feed is mended, not learned: nothing is trained then. What an incident asks for waits for
    the end of the cool-down and is done once: a training that began after the incident was seen has
    answered it, whoever started it. A run that died is simply run again.

    Parameters
    ----------
    window
        When the incident was seen; for the log only.

    Raises
    ------
    NotFound
        If there is no such incident.
    NotEnoughData
        If there is too little to learn from; an alert tells it.
    """
    incident = None if incident_id is None else _incident(backend, incident_id)
    refused = _why_not(backend, model, incident, as_of)
    if refused is not None:
        return Retrained(model, reason, refused[0], (refused[1],))
    try:
        done = _learn(backend, model, reason, as_of, incident)
    except (Conflict, Unavailable):
        raise  # whoever runs this tries again
    except HkiError as error:
        seen = (
            "" if window is None else f", seen {window[0].isoformat()} to {window[1].isoformat()}"
        )
        summary = f"{model} was not retrained ({reason}{seen}): {error}"
        send(backend.settings, alert("retraining-failed", model, summary), now=as_of)
        raise
    if incident is not None:
        hand_over(backend.lake, incident, at=as_of)
    return done


def cooling_until(backend: Backend, model: str) -> datetime | None:
    """Return until when no incident starts a training of the model, if it was ever trained."""
    last = _last_training(backend, model)
    return None if last is None else last + timedelta(hours=backend.settings.loop.cool_down_hours)


def _why_not(
    backend: Backend, model: str, incident: Incident | None, as_of: datetime
) -> tuple[str, str] | None:
    if incident is not None and incident.state != "open":
        return "already done", f"incident {incident.incident_id} is {incident.state}"
    quality = data_quality(backend, now=as_of)
    if quality.broken:
        summary = f"{model} does not learn from broken data: {'; '.join(quality.problems)}"
        send(backend.settings, alert("data-broken", "retrain", summary), now=as_of)
        return "data broken", "; ".join(quality.problems)
    until = cooling_until(backend, model)
    if incident is None or _is_answered(backend, model, incident) or until is None:
        return None
    if as_of < until:
        return "cooling down", f"{model} was trained lately: not again before {until.isoformat()}"
    return None


def _learn(
    backend: Backend, model: str, reason: str, as_of: datetime, incident: Incident | None
) -> Retrained:
    if incident is not None and _is_answered(backend, model, incident):
        version, is_new = backend.registry.versions(model)[0].version, False
    else:
        trained = train(backend, model, as_of=as_of)
        version, is_new = trained.version.version, trained.is_new
    verdict = promote(backend, model, as_of=as_of)
    champion = None if verdict.champion is None else verdict.champion.version
    outcome = "promoted" if verdict.promoted else "not promoted"
    return Retrained(model, reason, outcome, tuple(verdict.reasons), version, champion, is_new)


def _incident(backend: Backend, incident_id: str) -> Incident:
    found = latest(backend.lake).get(incident_id)
    if found is None:
        raise NotFound(f"expected an incident of the table incidents, got {incident_id!r}")
    return found


def _is_answered(backend: Backend, model: str, incident: Incident) -> bool:
    last = _last_training(backend, model)
    return last is not None and last >= incident.at


def _last_training(backend: Backend, model: str) -> datetime | None:
    times = [
        datetime.fromisoformat(version.tags["as_of"])
        for version in backend.registry.versions(model)
        if "as_of" in version.tags
    ]
    return max(times, default=None)
