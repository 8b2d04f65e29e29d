"""Predictions by several versions are made again to the byte, and what was altered is found."""

from __future__ import annotations

import time
from uuid import UUID

import httpx
import msgspec
import pytest
from leads_home import ENDS, NOW, add_version, at_home

from hki_ml.errors import NotFound
from hki_ml.events import encode
from hki_ml.reproduce import Reproducer
from hki_ml.settings import load_settings
from hki_ml.transforms.events import event_of
from hki_ml.wiring import connect

ML = "/api/v1/ml"
ROOM = "conversion"  # the quickest to train; the other rooms stay as they are
SEEDS = (1, 2)
ROUTES = ("score-lead", "predict-conversion", "predict-time-to-close")


def served(client: object, version: str) -> bool:
    models = client.get(f"{ML}/models").json()["data"]["models"]
    return any(each["name"] == ROOM and each["servingVersion"] == version for each in models)


def predict(client, ids):
    made = []
    for lead in ids:
        for route in ROUTES:
            response: httpx.Response = client.post(f"{ML}/{route}", json={"leadId": lead})
            assert response.status_code == 200, response.text
            made.append(response.json()["data"])
    return made


@pytest.fixture(scope="module")
def made(leads_application, leads_home):
    """Answers about the same leads, by three versions of a model, with events in between."""
    client = leads_application.front
    listed = client.get(f"{ML}/leads?limit=500").json()["data"]["leads"]
    ids = [each["leadId"] for each in (*listed[:3], *listed[-3:])]
    client.post("/api/v1/events", json={"eventType": "lead.created", "entityId": "replayed"})
    answers = predict(client, [*ids, "replayed"])
    with at_home(leads_home):
        backend = connect(load_settings())
        for seed in SEEDS:
            version = add_version(backend, ROOM, as_of=ENDS, seed=seed)
            deadline = time.monotonic() + 20
            while not served(client, version) and time.monotonic() < deadline:
                time.sleep(0.05)
            for lead in (ids[0], "replayed"):
                event = {"eventType": "lead.replied", "entityId": lead}
                assert client.post("/api/v1/events", json=event).json()["data"]["accepted"] == 1
            answers += predict(client, [*ids, "replayed"])
    return answers


@pytest.fixture
def backend(made, leads_home):
    with at_home(leads_home):
        yield connect(load_settings())


def test_predictions_over_three_versions_are_all_identical(made, backend):
    assert len({each["modelVersions"].get(ROOM) for each in made} - {None}) == 1 + len(SEEDS)
    again = Reproducer(backend, now=NOW)
    differing = [each["predictionId"] for each in made
                 if not again.reproduce(each["predictionId"]).is_identical]  # fmt: skip
    assert differing == []


def plant(backend, prediction_id, number, **changes):
    """Write a prediction as if it had been made otherwise; return its id."""
    found = backend.lake.read("events", where=("event_id", prediction_id)).to_pylist()
    event = event_of(found[0])
    identity = UUID(int=(UUID(prediction_id).int & ~0xFFFF) | number)
    answer = {**event.properties.answer, "predictionId": str(identity)}
    said = msgspec.structs.replace(event.properties, answer=answer)
    changed = {name: change(getattr(said, name)) for name, change in changes.items()}
    planted = msgspec.structs.replace(
        event, event_id=identity, properties=msgspec.structs.replace(said, **changed)
    )
    backend.bus.publish([(planted.entity_id, encode(planted))])
    return str(identity)


def test_a_planted_change_is_found(made, backend):
    Reproducer(backend, now=NOW)  # brings what was said into the lake
    odds = [each for each in made if "horizons" in each]
    first, last = odds[0], odds[-1]
    other = last["modelVersions"][ROOM]
    assert first["modelVersions"][ROOM] != other
    planted = {
        "as it was": plant(backend, first["predictionId"], 1),
        "state": plant(
            backend, first["predictionId"], 2, features=lambda f: {**f, "lead_source": "another"}
        ),
        "version": plant(backend, first["predictionId"], 3, versions=lambda v: {**v, ROOM: other}),
        "answer": plant(
            backend, first["predictionId"], 4, answer=lambda a: {**a, "agreesWithScore": None}
        ),
        "events": plant(
            backend, last["predictionId"], 5, made_from=lambda m: {**m, "liveEvents": m["liveEvents"][:-1]}
        ),
    }  # fmt: skip
    again = Reproducer(backend, now=NOW)
    assert again.reproduce(planted["as it was"]).is_identical
    assert again.reproduce(planted["state"]).changed_features == ("lead_source",)
    for name in ("version", "answer"):
        found = again.reproduce(planted[name])
        assert found.said != found.says, name
        assert not found.is_identical
    assert not again.reproduce(planted["events"]).is_identical


def test_a_version_that_is_gone_is_told(made, backend):
    Reproducer(backend, now=NOW)
    gone = plant(
        backend, made[0]["predictionId"], 9, versions=lambda v: {**v, "lead_scoring": "77"}
    )
    with pytest.raises(NotFound, match="77"):
        Reproducer(backend, now=NOW).reproduce(gone)
