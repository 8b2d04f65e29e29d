"""An experiment on the real service: some leads get the challenger, every record says which, harm ends it."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from leads_home import ENDS, NOW, add_version, at_home

from hki_ml.alerts import recent
from hki_ml.errors import BadInput, Conflict, NotFound
from hki_ml.experimenting import exposures, judge, step
from hki_ml.ledger import ENDED, FAULTS, REFUSED, entries, running
from hki_ml.pipeline import experiment as run
from hki_ml.pipeline.ingest import ingest
from hki_ml.pipeline.ledger import Decision, record, roll_back, settle
from hki_ml.pipeline.promote import promote
from hki_ml.pipeline.train import CHALLENGER, CHAMPION, train
from hki_ml.reproduce import Reproducer
from hki_ml.settings import load_settings
from hki_ml.wiring import connect

ML = "/api/v1/ml"
ROOM = "lead_scoring"


@pytest.fixture(scope="module")
def backend(leads_home):
    with at_home(leads_home):
        yield connect(load_settings())


@pytest.fixture(scope="module")
def two(backend):
    """Champion and challenger: the same data, another seed."""
    settle(backend, ROOM, at=ENDS)
    champion = backend.registry.resolve(ROOM, CHAMPION).version
    made = train(backend, ROOM, as_of=ENDS, seed=7)
    assert backend.registry.resolve(ROOM, CHALLENGER).version == made.version.version
    yield champion, made.version.version
    known = running(entries(backend.lake, ROOM))
    if known is not None:
        run.end(backend, known, at=NOW, because="the test is over")


def scored(client, ids):
    said = [client.post(f"{ML}/score-lead", json={"leadId": lead}) for lead in ids]
    assert {each.status_code for each in said} == {200}
    return [each.json()["data"] for each in said]


def waits(leads, ids, wanted):
    deadline = time.monotonic() + 30
    while True:
        said = scored(leads, ids)
        if {each["modelVersion"] for each in said} == wanted:
            return said
        assert time.monotonic() < deadline, {each["modelVersion"] for each in said}
        time.sleep(0.1)


def test_an_experiment_from_the_shadow_to_harm(leads, backend, two):
    champion, challenger = two
    listed = leads.get(f"{ML}/leads?limit=150").json()["data"]["leads"]
    ids = [each["leadId"] for each in listed]
    run.start(backend, ROOM, at=NOW, because="a test")
    with pytest.raises(Conflict, match="runs already"):
        run.start(backend, ROOM, at=NOW, because="again")
    waits_for_it = promote(backend, ROOM, as_of=NOW)
    assert not waits_for_it.promoted
    assert "runs on the champion: it ends first" in waits_for_it.reasons[0]
    shadow = scored(leads, ids * (1 + 100 // len(ids)))
    assert {each["modelVersion"] for each in shadow} == {champion}
    found = step(backend, ROOM, at=NOW)
    assert (found.action, found.evidence["failed"]) == ("advance", 0)
    run.stage(backend, ROOM, 0.5, at=NOW, because="faster than its days, for a test")
    waits(leads, ids, {champion, challenger})  # the swap may have come between two of these
    split = scored(leads, ids)
    now = running(entries(backend.lake, ROOM))
    for lead, said in zip(ids, split, strict=True):
        assert said["modelVersion"] == now.version_of(now.arm(lead))
        assert said["experiment"] == now.arm(lead)
    assert [each["modelVersion"] for each in scored(leads, ids)] == [
        each["modelVersion"] for each in split
    ]
    ingest(backend.bus, backend.lake, ingested_at=NOW)
    units = exposures(backend, now).set_index("entity")
    assert set(units.index) <= set(
        ids
    )  # who had the champion at 1 % and the challenger now is left out
    assert units["treated"].to_dict() == {k: now.arm(k) == "challenger" for k in units.index}
    assert 0 < units["treated"].sum() < len(units)
    again = Reproducer(backend, now=NOW)
    for said in split[:20]:
        assert again.reproduce(said["predictionId"]).is_identical
    assert judge(backend, ROOM, at=NOW).action == "wait"
    roll_back_ends_it(leads, backend, ids, two)


def roll_back_ends_it(leads, backend, ids, two):
    """Who takes a version back ends what runs: nobody is left with either side of it."""
    known = running(entries(backend.lake, ROOM))
    run.end(backend, known, at=NOW, because="harm was planted")
    assert entries(backend.lake, ROOM)[-1].decision == ENDED
    assert run.end(backend, known, at=NOW, because="twice") is None
    waits(leads, ids, {two[0]})
    with pytest.raises(NotFound):
        judge(backend, ROOM, at=NOW)


def test_who_was_refused_for_a_fault_is_not_tried_on_anybody(backend, two):
    known = settle(backend, ROOM, at=NOW)
    made = backend.registry.version(ROOM, two[1])
    faults = {FAULTS: ["learned from fewer rows than the champion"]}
    record(backend, Decision(REFUSED, made, None, ("fewer",), faults), at=NOW, after=known)
    with pytest.raises(Conflict, match="was refused: learned from fewer rows"):
        run.start(backend, ROOM, at=NOW, because="a test")
    known = settle(backend, ROOM, at=NOW)
    unclear = Decision(REFUSED, made, None, ("insufficient evidence",), {FAULTS: []})
    record(backend, unclear, at=NOW, after=known)
    begun = run.start(backend, ROOM, at=NOW, because="the gate could not tell")
    running_now = running(entries(backend.lake, ROOM))
    run.LedgerExperiments(lambda: backend).stop(running_now, "too many errors")
    assert begun.evidence["name"] == running_now.name
    told = [each.alert for each in recent(backend.settings)]
    (stopped,) = [each for each in told if running_now.name in each.key]
    assert stopped.summary.endswith("ended: too many errors")


def test_lists_and_cards_show_what_each_lead_is_told(leads, backend, two):
    known = running(entries(backend.lake, ROOM))
    if known is not None:  # the test before failed midway
        run.end(backend, known, at=NOW, because="the next test begins")
    run.start(backend, ROOM, at=NOW, because="a test")
    run.stage(backend, ROOM, 0.5, at=NOW, because="a test")
    ids = [each["leadId"] for each in leads.get(f"{ML}/leads?limit=40").json()["data"]["leads"]]
    waits(leads, ids, set(two))
    said = {each["leadId"]: each for each in scored(leads, ids)}
    deadline = time.monotonic() + 30
    while True:
        listed = leads.get(f"{ML}/leads?limit=500").json()["data"]["leads"]
        told = {each["leadId"]: each["predictedConversion"] for each in listed}
        differing = [k for k, v in said.items() if round(v["predictedConversion"], 4) != told[k]]
        if not differing:
            break
        assert time.monotonic() < deadline, differing
        time.sleep(0.2)


def test_what_cannot_be_is_told(backend, two):
    with pytest.raises(BadInput, match=r"0\.0, 0\.01"):
        run.stage(backend, ROOM, 0.3, at=NOW, because="no such stage")
    with pytest.raises(BadInput, match=r"can be split .* got risk"):
        run.start(backend, "risk", at=NOW, because="no lead is asked about")
    with pytest.raises(Conflict, match="the same version"):
        run.start(backend, "time_to_close", at=NOW, because="nobody to ask")


def test_a_champion_taken_back_ends_the_experiment(leads, backend, two):
    if running(entries(backend.lake, ROOM)) is None:
        run.start(backend, ROOM, at=NOW, because="a test")
    before = backend.registry.resolve(ROOM, CHAMPION).version
    newer = add_version(backend, ROOM, as_of=ENDS, seed=8)
    settle(backend, ROOM, at=NOW)
    assert running(entries(backend.lake, ROOM)) is None
    roll_back(backend, ROOM, at=NOW + timedelta(minutes=1), because="a test")
    assert backend.registry.resolve(ROOM, CHAMPION).version == before != newer
