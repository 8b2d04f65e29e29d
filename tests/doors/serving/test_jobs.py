"""Jobs over HTTP: taken in, done by a process beside the service, told, fetched, cancelled, outliving it."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import polars as pl
import pytest
from leads_home import at_home

from hki_ml.batch.job import JobFolder
from hki_ml.serving.openapi import document
from hki_ml.settings import load_settings
from hki_ml.wiring import connect

ML = "/api/v1/ml"
BATCH, JOBS = f"{ML}/batch", f"{ML}/jobs"
MODEL = "lead_scoring"


@pytest.fixture(scope="module")
def lead_ids(leads_home):
    with at_home(leads_home):
        rows = connect(load_settings()).lake.read("leads", columns=["lead_id"]).to_pylist()
    return [row["lead_id"] for row in rows]


def settled(ask, job_id: str, seconds: float = 60) -> dict:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        told = ask(f"{JOBS}/{job_id}").json()["data"]
        if told["state"] in {"done", "failed", "cancelled"}:
            return told
        time.sleep(0.1)
    raise AssertionError(told)


def fits(value: object, schema: dict) -> None:
    """Hold an answer against its documented shape."""
    shape = document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    assert set(value) == set(shape["properties"])


def test_ids_are_taken_in_answered_and_fetched(leads, lead_ids):
    asked = {"model": MODEL, "ids": [*lead_ids[:30], "nobody"], "result": "csv"}
    response = leads.post(BATCH, json=asked)
    assert response.status_code == 202
    job = response.json()["data"]
    fits(job, {"$ref": "JobData"})
    assert response.headers["location"] == f"{JOBS}/{job['jobId']}"
    done = settled(leads.get, job["jobId"])
    assert (done["state"], done["scored"], done["rejected"]) == ("done", 30, {"id_unknown": 1}), (
        done
    )
    result = leads.get(done["resultUrl"])
    assert result.headers["content-type"] == "text/csv; charset=utf-8"
    assert result.headers["content-disposition"] == 'attachment; filename="lead_scoring.csv"'
    rows = pl.read_csv(io.BytesIO(result.content), infer_schema_length=None)
    assert rows["entity_id"].to_list() == lead_ids[:30]
    assert leads.get(done["rejectsUrl"]).text.splitlines()[1].startswith("31,nobody,id_unknown")
    found = leads.get(f"{ML}/predictions/{rows['prediction_id'][3]}").json()["data"]
    assert found["entityId"] == lead_ids[3]
    assert found["answer"]["score"] == rows["score"][3]
    why = leads.get(f"{ML}/predictions/{rows['prediction_id'][3]}/explanation").json()["data"]
    fits(why, {"$ref": "ExplanationData"})
    assert job["jobId"] in [each["jobId"] for each in leads.get(JOBS).json()["data"]["jobs"]]


def test_a_file_is_taken_as_csv_and_as_parquet(leads, lead_ids):
    frame = pl.DataFrame({"x": [1, 2], "lead_id": lead_ids[:2]})
    packed = io.BytesIO()
    frame.write_parquet(packed)
    files = [
        ("text/csv", b"\xef\xbb\xbf" + frame.write_csv(separator=";").encode()),
        ("application/vnd.apache.parquet", packed.getvalue()),
    ]
    for kind, content in files:
        asked = f"{BATCH}?model={MODEL}&result=parquet&name=my+leads.csv&also=actions"
        job = leads.post(asked, content=content, headers={"content-type": kind}).json()["data"]
        assert job["name"] == "my leads.csv"
        done = settled(leads.get, job["jobId"])
        assert (done["state"], done["scored"]) == ("done", 2), done
        rows = pl.read_parquet(io.BytesIO(leads.get(done["resultUrl"]).content))
        assert "action_1" in rows.columns


def test_a_file_without_ids_fails_with_what_was_expected_and_no_path(leads):
    asked = f"{BATCH}?model={MODEL}"
    job = leads.post(asked, content=b"a,b\n1,2\n", headers={"content-type": "text/csv"})
    done = settled(leads.get, job.json()["data"]["jobId"])
    assert done["state"] == "failed"
    assert done["detail"] == "input.csv: expected a column lead_id or id, got a, b"
    refused = leads.get(f"{JOBS}/{done['jobId']}/result")
    assert (refused.status_code, refused.json()["title"]) == (409, "Not ready")
    assert leads.request("DELETE", f"{JOBS}/{done['jobId']}").status_code == 200
    assert leads.get(f"{JOBS}/{done['jobId']}").status_code == 404


@pytest.mark.parametrize(
    ("query", "kind", "content", "status"),
    [
        ("?model=none", "text/csv", b"lead_id\n1\n", 422),
        ("?model=lead_scoring&also=magic", "text/csv", b"lead_id\n1\n", 422),
        ("?model=lead_scoring&result=xls", "text/csv", b"lead_id\n1\n", 422),
        ("?model=lead_scoring&what=1", "text/csv", b"lead_id\n1\n", 422),
        ("?model=lead_scoring", "text/csv", b"", 422),
        ("?model=lead_scoring", "application/zip", b"PK", 415),
        ("", "application/json", b'{"model": "lead_scoring", "ids": []}', 422),
        ("", "application/json", b'{"model": "lead_scoring"', 400),
        ("?model=lead_scoring", "text/csv", b"x" * 33_554_433, 413),
    ],
)
def test_what_cannot_be_taken_in_is_a_problem(leads, query, kind, content, status):
    response = leads.post(BATCH + query, content=content, headers={"content-type": kind})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert str(status) in document()["paths"][BATCH]["post"]["responses"]


@pytest.mark.parametrize("job_id", ["nobody", "..%2f..%2fetc", "0" * 36, "x" * 500])
def test_a_job_that_is_not_there_is_a_plain_404(leads, job_id):
    for method, tail in (("GET", ""), ("GET", "/result"), ("GET", "/rejects"), ("DELETE", "")):
        assert leads.request(method, f"{JOBS}/{job_id}{tail}").status_code == 404
    assert leads.request("PUT", f"{JOBS}/{job_id}").status_code in {404, 405}


def test_the_queue_has_an_end(leads_application, leads, tmp_path, monkeypatch):
    from dataclasses import replace

    from hki_ml.serving import jobs

    gateway = leads_application.service.opened
    idle = replace(gateway.jobs, folder=tmp_path / "jobs", wake=lambda: None, _ended=set())
    monkeypatch.setattr(jobs, "MOST_WAITING", 2)
    leads_application.change(jobs=idle)
    try:
        asked = {"model": MODEL, "ids": ["a"]}
        took = [leads.post(BATCH, json=asked) for _ in range(3)]
        assert [each.status_code for each in took] == [202, 202, 429]
        assert took[2].headers["retry-after"] == "60"
        waiting = took[0].json()["data"]["jobId"]
        ended = leads.request("DELETE", f"{JOBS}/{waiting}").json()["data"]
        assert ended["state"] == "cancelled"
        assert leads.post(BATCH, json=asked).status_code == 202
    finally:
        leads_application.change(jobs=gateway.jobs)


def process_of(home: Path) -> list[int]:
    """Return the pids of the processes that do this home's jobs."""
    found = subprocess.run(
        ["ps", "-ww", "-eo", "pid,args"], capture_output=True, text=True, check=True
    )
    told = re.compile(rf"^\s*(\d+) .*hki_ml\.terminal\.working {re.escape(str(home))}/jobs")
    return [int(m[1]) for m in map(told.match, found.stdout.splitlines()) if m]


@pytest.mark.server
def test_a_job_outlives_its_process_and_its_service(leads_home, lead_ids, tmp_path):
    from leads_service import serving_leads

    home = tmp_path / "home"  # its own: another service of these tests would do the job
    shutil.copytree(leads_home, home, ignore=shutil.ignore_patterns("jobs", "bentoml", "*.log"))
    text = "lead_id\n" + "\n".join(lead_ids)
    headers = {"content-type": "text/csv"}
    with serving_leads(home) as url:
        asked = f"{url}{BATCH}?model=time_to_close"
        job_id = httpx.post(asked, content=text, headers=headers).json()["data"]["jobId"]
        deadline = time.monotonic() + 60
        while not (working := process_of(home)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(working) == 1
        assert os.getpriority(os.PRIO_PROCESS, working[0]) <= 10
        os.kill(working[0], signal.SIGKILL)
        slow = time.perf_counter()
        assert httpx.get(f"{url}{JOBS}/{job_id}").json()["data"]["state"] in {"queued", "running"}
        assert time.perf_counter() - slow < 2
    assert process_of(home) == []
    with serving_leads(home) as url:
        done = settled(lambda path: httpx.get(url + path), job_id, 120)
        assert (done["state"], done["scored"]) == ("done", len(lead_ids))
        result = httpx.get(url + done["resultUrl"])
        rows = pl.read_csv(io.BytesIO(result.content), infer_schema_length=None)
        assert rows["entity_id"].to_list() == lead_ids


@pytest.mark.server
def test_two_processes_on_one_home_do_a_job_once(leads_home, lead_ids):
    from hki_ml.serving.jobs import Jobs

    with at_home(leads_home):
        settings = load_settings()
    folder = settings.home / "more-jobs"
    jobs = Jobs(folder, {"time_to_close": ()}, lambda: None)
    made = jobs._take(jobs_wanted("time_to_close"), ("id\n" + "\n".join(lead_ids)).encode(), "csv")
    command = [sys.executable, "-m", "hki_ml.terminal.working", str(folder), str(os.getpid())]
    home = os.environ | {"HKI_HOME": str(leads_home), "OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen(command, env=home) for _ in range(2)]
    codes = sorted(process.wait(120) for process in both)
    assert codes == [0, 75]
    assert made.progress().state == "done"
    lake = connect(settings).lake
    kept = lake.read("batch_predictions", columns=["row_number"], where=("job_id", made.job().id))
    assert sorted(kept["row_number"].to_pylist()) == list(range(1, len(lead_ids) + 1))


def jobs_wanted(model: str):
    from hki_ml.serving.jobs import Wanted

    return Wanted(model, "csv", (), "ids")


def test_a_folder_that_is_half_made_is_no_job(tmp_path):
    from hki_ml.serving.jobs import Jobs

    (tmp_path / "11111111-2222-3333-4444-555555555555").mkdir()
    assert Jobs(tmp_path, {}, lambda: None).folders() == []
    assert JobFolder(tmp_path / "x").progress().state == "queued"
