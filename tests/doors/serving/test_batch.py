"""What a file is answered is what the service answers, row by row; and a job that is killed goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from comparables_model import load as load_comparables
from kc_client import HOME, NOW, VALUE
from kc_stores import Stores
from leads_home import NOW as LEADS_NOW
from leads_home import at_home

from hki_ml.adapters.lake import DeltaLake
from hki_ml.batch import audit
from hki_ml.batch.job import Job, JobFolder
from hki_ml.batch.run import Runner, fingerprint
from hki_ml.pipeline.ingest import ingest
from hki_ml.serving.bulk_homes import HomeBulk, HomeFileScorer
from hki_ml.serving.bulks import BULKS
from hki_ml.serving.holder import Held
from hki_ml.settings import load_settings
from hki_ml.tables import SCHEMAS
from hki_ml.wiring import Backend, connect

ROUTES = {
    "lead_scoring": "score-lead",
    "conversion": "predict-conversion",
    "time_to_close": "predict-time-to-close",
}


def begun(folder: Path, text: str, model: str, **wanted) -> JobFolder:
    file = folder / "rows.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    job = JobFolder(folder / "job")
    created = datetime(2026, 7, 1, tzinfo=UTC).isoformat()
    job.create(Job("job-1", model, str(file), created, fingerprint(file), **wanted))
    return job


def runner(home: Path, now: datetime, **more) -> Runner:
    with at_home(home):
        backend = connect(load_settings())

    def catch_up() -> None:
        ingest(backend.bus, backend.lake, ingested_at=now)

    return Runner(backend, BULKS, clock=lambda: now, catch_up=catch_up, **more)


def answers(job: JobFolder) -> list[dict]:
    return pl.read_parquet(job.result).to_dicts()


@pytest.fixture(scope="module")
def lead_ids(leads_home):
    with at_home(leads_home):
        rows = (
            connect(load_settings()).lake.read("leads", columns=["lead_id", "outcome"]).to_pylist()
        )
    still = [row["lead_id"] for row in rows if row["outcome"] is None]
    return [*still[:60], *(row["lead_id"] for row in rows[:5])]


@pytest.mark.parametrize("model", ROUTES)
def test_a_file_is_answered_as_the_service_answers_each_of_its_rows(
    leads, leads_home, lead_ids, tmp_path, model
):
    replied = {
        "eventType": "lead.replied",
        "entityId": lead_ids[0],
        "properties": {"channel": "phone"},
    }
    assert leads.post("/api/v1/events", json=replied).status_code == 200
    job = begun(tmp_path, "leadId\n" + "\n".join(lead_ids), model, chunk_rows=17)
    assert runner(leads_home, LEADS_NOW).run(job).state == "done"
    found = answers(job)
    assert [row["entity_id"] for row in found] == lead_ids
    for row in found:
        asked = {"leadId": row["entity_id"]}
        said = leads.post(f"/api/v1/ml/{ROUTES[model]}", json=asked).json()["data"]
        assert row["model_version"] == said["modelVersion"]
        assert row["feature_age_seconds"] == said["featureAgeSeconds"]
        assert row["computed_at"] == said["computedAt"]
        SAME[model](row, said)
        score = leads.post("/api/v1/ml/score-lead", json=asked).json()["data"]
        SAME["lead_scoring"](row, score)


def same_score(row, said):
    assert row["score"] == said["score"]
    assert row["probability"] == said["predictedConversion"]
    assert row["confidence"] == said["confidence"]
    assert row["recommendation"] == said["recommendation"]
    for n, driver in enumerate(said["drivers"][:3], 1):
        assert row[f"reason_{n}"] == driver["factor"]
        assert row[f"reason_{n}_log_odds"] == driver["logOdds"]
        assert row[f"reason_{n}_text"] == driver["text"]
    for driver in said["drivers"]:
        assert row[f"log_odds_{driver['factor']}"] == driver["logOdds"]


def same_conversion(row, said):
    for each in said["horizons"]:
        assert row[f"closed_by_{each['days']}d"] == each["probability"]
    if said["stages"]:
        assert row["next_stage_probability"] == said["stages"][0]["probability"]


def same_time(row, said):
    assert row["expected_days"] == said["expectedDays"]
    assert row["p90_days"] == said["quantiles"]["p90"]
    assert row["never_probability"] == said["neverProbability"]


@pytest.mark.parametrize(
    ("model", "route"), [("risk", "assess-risk"), ("investor_matching", "match-investors")]
)
def test_a_file_of_deals_is_answered_as_the_service_answers_each_of_its_rows(
    leads, leads_home, lead_ids, tmp_path, model, route
):
    asked = [*lead_ids[:25], *lead_ids[-3:]]  # the last have ended
    job = begun(tmp_path, "leadId\n" + "\n".join(asked), model, chunk_rows=11)
    assert runner(leads_home, LEADS_NOW).run(job).state == "done"
    found = answers(job)
    assert [row["entity_id"] for row in found] == asked
    for row in found:
        body = {"leadId": row["entity_id"]}
        said = leads.post(f"/api/v1/ml/{route}", json=body).json()["data"]
        assert row["feature_age_seconds"] == said["featureAgeSeconds"]
        assert row["computed_at"] == said["computedAt"]
        SAME[model](row, said)


def same_risk(row, said):
    assert row["band"] == said["band"]
    assert row["fall_through_probability"] == said["fallThroughProbability"]
    assert row["expected_loss_usd"] == said["expectedLossUsd"]
    assert row["tail_loss_usd"] == said["tailLossUsd"]
    assert (row["status"] == "ended") == (said["subScores"] == [])
    for each in said["subScores"]:
        assert row[f"{each['name']}_risk"] == each["score"]
        assert (row[f"{each['name']}_reasons"] or "") == "; ".join(each["reasons"])


def same_matches(row, said):
    assert row["model_version"] == said["modelVersion"]
    assert (row["asked"], row["admitted"]) == (said["asked"], said["admitted"])
    assert (row["alternatives"] or "").split() == [e["investorId"] for e in said["alternatives"]]
    for n in range(1, 6):
        match = said["matches"][n - 1] if n <= len(said["matches"]) else None
        assert row[f"match_{n}"] == (match and match["investorId"])
        if match is not None:
            assert row[f"match_{n}_probability"] == match["probability"]
            assert row[f"match_{n}_reason_1"] == match["reasons"][0]["text"]
            assert row[f"match_{n}_log_odds_1"] == match["reasons"][0]["logOdds"]


SAME = {
    "risk": same_risk,
    "investor_matching": same_matches,
    "lead_scoring": same_score,
    "conversion": same_conversion,
    "time_to_close": same_time,
}


def test_what_could_be_done_is_told_if_it_is_asked_for(leads, leads_home, lead_ids, tmp_path):
    job = begun(tmp_path, "lead_id\n" + "\n".join(lead_ids[:9]), "lead_scoring", also=("actions",))
    assert runner(leads_home, LEADS_NOW).run(job).state == "done"
    for row in answers(job):
        said = leads.post("/api/v1/ml/score-lead", json={"leadId": row["entity_id"]}).json()["data"]
        same_score(row, said)
        for n, action in enumerate(said["actions"][:3], 1):
            assert row[f"action_{n}"] == action["action"]
            assert row[f"action_{n}_probability_change"] == action["probabilityChange"]


class KingCountyBulk(HomeBulk):
    """Homes valued by the model of these tests."""

    def open(self, folders, _, _pinned):
        folder, version = folders["valuation"]
        return HomeFileScorer(Held(load_comparables(folder, version), version))


def king_county(home: Path, folder: Path) -> Runner:
    """A runner over the tests' homes, in a lake of its own."""
    lake = DeltaLake(folder / "lake")
    facts = pq.read_table(home / "property_facts.parquet")
    columns = {name: facts[name] for name in facts.column_names} | {
        "created": facts["event_timestamp"]
    }
    names = SCHEMAS["property_facts"].names
    lake.replace(
        "property_facts", pa.table({n: columns.get(n, pa.nulls(len(facts))) for n in names})
    )
    stores = Backend(None, None, lake, None, Stores(home).registry)
    return Runner(stores, {"valuation": KingCountyBulk()}, clock=lambda: NOW)


def test_homes_are_valued_as_the_service_values_them_by_id_and_by_facts(
    client, stores_home, tmp_path
):
    ids = [HOME, HOME, "nobody"]
    by_id = begun(tmp_path / "ids", "property_id\n" + "\n".join(ids), "valuation")
    done = king_county(stores_home, tmp_path / "a").run(by_id)
    assert done.rejected == {"id_duplicate": 1, "id_unknown": 1}
    (row,) = answers(by_id)
    same_value(row, client.post(VALUE, json={"propertyId": HOME}).json()["data"])
    text = "livingSqft,bedrooms,latitude,longitude,area\n1800,3,47.6,-122.3,98103\nmany,3,47.6,-122.3,98103\n"
    by_facts = begun(tmp_path / "facts", text, "valuation")
    assert king_county(stores_home, tmp_path / "b").run(by_facts).rejected == {"fact_invalid": 1}
    (row,) = answers(by_facts)
    facts = {
        "livingSqft": 1800,
        "bedrooms": 3,
        "latitude": 47.6,
        "longitude": -122.3,
        "area": "98103",
    }
    same_value(row, client.post(VALUE, json={"facts": facts}).json()["data"])


def same_value(row, said):
    assert row["estimated_value_usd"] == said["estimatedValue"]
    assert row["fsd"] == said["fsd"]
    assert row["confidence"] == said["confidence"]
    assert row["model_version"] == said["modelVersion"]
    assert (row["comparables"] or "").split() == [each["saleId"] for each in said["comparables"]]
    if said["intervals"]:
        assert row["p80_low_usd"] == said["intervals"]["p80"]["low"]
    if said["noEstimate"]:
        assert row["no_estimate"] == "; ".join(said["noEstimate"]["reasons"])


def test_bad_rows_are_rejected_with_number_and_reason_and_all_others_are_scored(
    leads_home, lead_ids, tmp_path
):
    one, two = lead_ids[:2]
    rows = [f"{one};x", "nobody;x", ";x", f"{one};again", "short", f"{'l' * 201};x", f"{two};x"]
    bad = "\n".join(["lead_id;note", *rows])
    job = begun(tmp_path, bad, "lead_scoring", result="csv")
    done = runner(leads_home, LEADS_NOW).run(job)
    assert (done.rows, done.scored) == (7, 2)
    rejects = pl.read_csv(job.rejects).to_dicts()
    assert [(row["row_number"], row["reason"]) for row in rejects] == [
        (2, "id_unknown"), (3, "id_missing"), (4, "id_duplicate"), (5, "row_malformed"), (6, "id_invalid"),
    ]  # fmt: skip
    assert pl.read_csv(job.result)["row_number"].to_list() == [1, 7]


def test_a_job_that_was_stopped_goes_on_and_ends_in_the_same_bytes(leads_home, lead_ids, tmp_path):
    text = "lead_id\n" + "\n".join(lead_ids)
    whole = begun(tmp_path / "whole", text, "lead_scoring", chunk_rows=10)
    assert runner(leads_home, LEADS_NOW).run(whole).state == "done"
    job = begun(tmp_path / "parts", text, "lead_scoring", chunk_rows=10)
    for _ in range(20):
        steps = iter([True, True])
        done = runner(leads_home, LEADS_NOW, goes_on=lambda left=steps: next(left, False)).run(job)
        if done.state == "done":
            break
        pinned = job.plan()
    assert done.scored == len(lead_ids)
    assert job.plan() == pinned
    assert job.result.read_bytes() == whole.result.read_bytes()


def test_every_answer_is_recorded_once_and_found_by_its_id(leads, leads_home, lead_ids, tmp_path):
    job = begun(tmp_path, "lead_id\n" + "\n".join(lead_ids[:20]), "lead_scoring", chunk_rows=7)
    runner(leads_home, LEADS_NOW).run(job)
    row = answers(job)[9]
    with at_home(leads_home):
        kept = audit.find(connect(load_settings()).lake, row["prediction_id"])
    assert kept is not None
    assert kept["entity_id"] == row["entity_id"]
    assert kept["model"] == "lead_scoring"


def hki(home: Path, *given: str) -> list[str]:
    return [sys.executable, "-c", "from hki_ml.cli import app; app()", *given]


def environment(home: Path) -> dict[str, str]:
    return os.environ | {"HKI_HOME": str(home), "OMP_NUM_THREADS": "1", "HKI_THREADS": "1"}


@pytest.mark.server
def test_a_process_that_is_killed_in_the_middle_goes_on_to_the_same_answers(
    leads_home, lead_ids, tmp_path
):
    with at_home(leads_home):
        known = connect(load_settings()).lake.read("leads", columns=["lead_id"]).to_pylist()
    file = tmp_path / "leads.csv"
    file.write_text("lead_id\n" + "\n".join(row["lead_id"] for row in known))
    out, model = tmp_path / "out.csv", "time_to_close"
    command = hki(leads_home, "score", str(file), "--model", model, "--out", str(out))
    folder = JobFolder(tmp_path / ".out.csv.job")
    folder.create(
        Job(
            "11111111-2222-3333-4444-555555555555", model, str(file), "2026-07-01T00:00:00+00:00",
            fingerprint(file), result="csv", name=file.name, chunk_rows=200,
        )
    )  # fmt: skip
    kills = 0
    resume = [*command, "--resume"]
    while True:
        process = subprocess.Popen(resume, env=environment(leads_home), stdout=-1, stderr=-1)
        before = folder.progress().chunks
        while process.poll() is None and folder.progress().chunks < before + 2:
            time.sleep(0.01)
        if process.poll() is not None or kills == 2:
            break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        kills += 1
    out_text, errors = process.communicate(timeout=300)
    assert process.returncode == 0, (out_text, errors)
    assert kills == 2
    rows = pl.read_csv(out, infer_schema_length=None)
    assert rows["entity_id"].to_list() == [row["lead_id"] for row in known]
    assert rows["computed_at"].n_unique() == 1  # one moment for the whole job
    with at_home(leads_home):
        lake = connect(load_settings()).lake
    recorded = lake.read(
        "batch_predictions", columns=["prediction_id"], where=("job_id", folder_id())
    )
    assert sorted(recorded["prediction_id"].to_pylist()) == sorted(rows["prediction_id"].to_list())


def folder_id() -> str:
    return "11111111-2222-3333-4444-555555555555"
