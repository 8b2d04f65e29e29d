"""``GET /ml/predictions/{id}`` and its explanation: what was said, from what, why, by which version."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
import orjson

from hki_ml.batch import audit
from hki_ml.ports import Lake
from hki_ml.serving.asked import iso
from hki_ml.serving.exchange import Request, Response, success
from hki_ml.serving.naming import camel
from hki_ml.serving.prediction_log import PredictionLog
from hki_ml.serving.problem import Problem, ProblemError
from hki_ml.serving.value_property import UNREGISTERED

MADE = "prediction.made"
WHY = (
    "factors", "drivers", "actions", "riskFactors", "accelerationOpportunities", "stages",
    "valueDrivers", "comparables", "intervals", "confidence", "matches", "alternatives", "whyNot",
    "subScores", "madeOf",
)  # fmt: skip
"""The parts of an answer that say why."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Looks predictions up: in memory, in the lake, and on the bus if it has to.

    Parameters
    ----------
    log
        What was said here lately.
    lake
        Where everything else is.
    catch_up
        Brings the lake up to the bus.
    """

    log: PredictionLog
    lake: Callable[[], Lake]
    catch_up: Callable[[], None]

    async def one(self, _: Request, prediction_id: str) -> Response:
        """Return a prediction as it was made."""
        return success(await self.find(prediction_id))

    async def explanation(self, _: Request, prediction_id: str) -> Response:
        """Return why a prediction said what it said."""
        found = await self.find(prediction_id)
        answer = found["answer"]
        return success(
            {
                "predictionId": found["predictionId"],
                "entityId": found["entityId"],
                "model": found["model"],
                "modelVersions": found["modelVersions"],
                "computedAt": found["computedAt"],
                "said": {k: v for k, v in answer.items() if not isinstance(v, list | dict)},
                "why": {name: answer[name] for name in WHY if name in answer},
                "features": found["features"],
            }
        )

    async def find(self, prediction_id: str) -> dict[str, Any]:
        """Return a prediction.

        Raises
        ------
        ProblemError
            404 if none of that id was ever made.
        """
        identity = _identity(prediction_id)
        recent = self.log.recent(identity)
        if recent is not None:
            return told(msgspec.to_builtins(recent))
        return await asyncio.to_thread(self._stored, identity)

    def _stored(self, prediction_id: str) -> dict[str, Any]:
        for look_again in (False, True):
            if look_again:
                self.catch_up()
            rows = self.lake().read("events", where=("event_id", prediction_id)).to_pylist()
            for row in rows:
                if row["event_type"] == MADE:
                    return told(
                        {
                            "eventId": row["event_id"],
                            "entityId": row["entity_id"],
                            "properties": orjson.loads(row["properties_json"]),
                            "occurredAt": iso(row["occurred_at"]),
                        }
                    )
            in_bulk = None if look_again else audit.find(self.lake(), prediction_id)
            if in_bulk is not None:
                return told_in_bulk(in_bulk)
        raise _unknown()


def told(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a prediction's event as the wire tells it."""
    said = event["properties"]
    return {
        "predictionId": event["eventId"],
        "entityId": event["entityId"],
        "model": said["model"],
        "modelVersions": said["versions"],
        "computedAt": said["answer"].get("computedAt", event["occurredAt"]),
        "answer": said["answer"],
        "features": said["features"],
        "madeFrom": said.get("madeFrom", {}),
    }


def told_in_bulk(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer of a job as the wire tells it."""
    answer = {k: v for k, v in orjson.loads(row["answer_json"]).items() if v is not None}
    features = orjson.loads(row["features_json"])
    stated = features.pop("facts_json", None)
    drivers = []
    for n in range(1, 4):
        named = {
            k.removeprefix(f"reason_{n}_"): v for k, v in answer.items() if f"reason_{n}_" in k
        }
        if f"reason_{n}" in answer:
            rest = {camel(name): value for name, value in named.items()}
            drivers.append({"factor": answer[f"reason_{n}"], **rest})
    plain = {camel(k): v for k, v in answer.items() if not k.startswith("reason_")}
    return {
        "predictionId": row["prediction_id"],
        "entityId": row["entity_id"] or UNREGISTERED,
        "model": row["model"],
        "modelVersions": orjson.loads(row["versions_json"]),
        "computedAt": iso(row["as_of"]),
        "answer": {**plain, "drivers": drivers},
        "features": {k: v for k, v in features.items() if v is not None}
        | (orjson.loads(stated) if stated else {}),
        "madeFrom": {
            "jobId": row["job_id"],
            "rowNumber": row["row_number"],
            "seenAt": None if row["seen_at"] is None else iso(row["seen_at"]),
            "liveEvents": row["live_events"],
        },
    }


def _identity(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise _unknown() from None


def _unknown() -> ProblemError:
    return ProblemError(Problem("not-found", "no prediction of that id was made"))
