"""Real servers on loopback: both ways of running the runner, swapping under load, losing the registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from kc_client import HOME, VALUE
from kc_stores import add_version, king_county, point, silence
from served import REPOSITORY, environment, serving

pytestmark = pytest.mark.server
CHANGING = {"predictionId", "computedAt", "featureAgeSeconds"}
QUESTIONS = [
    {"propertyId": HOME},
    {
        "propertyId": HOME,
        "asOf": "2014-12-01",
        "overrides": {"livingSqft": 1500.5},
        "comparables": {"count": 12},
    },
    {
        "facts": {
            "area": "98178",
            "latitude": 47.5,
            "longitude": -122.2,
            "livingSqft": 1000,
            "isWaterfront": True,
        }
    },
    {"facts": {"area": "98178", "extra": {"lift": "yes", "rooms": 4}}},
    {"propertyId": "nobody"},
    {"propertyId": HOME, "comparables": {"count": 1}},
]


def stable(url):
    answers = []
    for question in QUESTIONS:
        body = httpx.post(
            url + VALUE, json=question, headers={"x-request-id": "same"}, timeout=30
        ).json()
        if body["success"]:
            body["data"] = {k: v for k, v in body["data"].items() if k not in CHANGING}
        answers.append(body)
    return answers


def test_a_runner_in_a_process_of_its_own_answers_as_an_embedded_one(server, own_stores):
    with serving(own_stores, HKI_SERVING__EMBED_RUNNERS="false") as url:
        assert stable(url) == stable(server)
        assert (
            httpx.get(url + "/api/v1/ml/models/valuation").json()["data"]["serving"]["version"]
            == "1"
        )
        with (
            httpx.Client() as client
        ):  # more than the 100 requests after which BentoML's session closed
            statuses = {client.post(url + VALUE, json=QUESTIONS[0]).status_code for _ in range(150)}
        assert statuses == {200}


def test_no_listener_takes_a_pickled_body(own_stores):
    pickled = {"content-type": "application/vnd.bentoml+pickle"}
    with serving(own_stores, HKI_SERVING__EMBED_RUNNERS="false", BENTOML_NO_UDS="True") as url:
        runners = [u for u in _listening(own_stores) if u != url]
        assert runners, "expected the runner to listen on a port of its own"
        for listener in [url, *runners]:
            for path in ("/answer", "/describe", VALUE):
                assert httpx.post(
                    listener + path, content=b"\x80\x05.", headers=pickled
                ).status_code in (404, 415)
        assert (
            httpx.post(runners[0] + "/answer", content=b"\x80\x05.", headers=pickled).status_code
            == 415
        )


def _listening(home: Path) -> list[str]:
    """Return the loopback HTTP listeners of the server whose stores lie there, by asking each."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("HKI_HOME") != str(home):
                continue
            ports = {
                c.laddr.port
                for c in process.net_connections("tcp")
                if c.status == psutil.CONN_LISTEN
            }
        except psutil.Error:
            continue
        for port in ports:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/livez", timeout=2).status_code == 200:
                    found.append(f"http://127.0.0.1:{port}")
            except httpx.HTTPError:
                continue
    return sorted(set(found))


def test_versions_are_swapped_under_load_without_a_failure_and_a_refused_one_changes_nothing(
    own_stores,
):
    sales = king_county()
    with serving(own_stores) as url:
        seen: list[tuple[int, str]] = []
        stop = threading.Event()

        def ask():
            with httpx.Client() as client:
                while not stop.is_set():
                    response = client.post(url + VALUE, json=QUESTIONS[0])
                    seen.append(
                        (response.status_code, response.json().get("data", {}).get("modelVersion"))
                    )

        thread = threading.Thread(target=ask)
        thread.start()
        for version in ("2", "3"):
            add_version(own_stores, version, sales.iloc[: -int(version)])
            point(own_stores, version)
            _until(lambda version=version: seen and seen[-1] == (200, version))
        add_version(own_stores, "4", None)
        point(own_stores, "4")
        time.sleep(1)
        stop.set()
        thread.join()
    assert {status for status, _ in seen} == {200}
    versions = [version for _, version in seen]
    assert versions == sorted(versions)
    assert set(versions) == {"1", "2", "3"}


def test_a_server_that_starts_without_its_registry_serves_the_last_good_model_and_says_so(
    own_stores,
):
    with serving(own_stores) as url:
        assert httpx.post(url + VALUE, json=QUESTIONS[0]).status_code == 200
    silence(own_stores, "registry")
    with serving(own_stores) as url:
        said = httpx.post(url + VALUE, json=QUESTIONS[0]).json()["data"]
        assert (said["degraded"], said["fallbackLevel"]) == (True, "lastGoodModel")
        assert (
            httpx.get(url + "/api/v1/ml/models/valuation").json()["data"]["registryAnswers"]
            is False
        )
        silence(own_stores, "registry", silent=False)
        _until(lambda: not httpx.post(url + VALUE, json=QUESTIONS[0]).json()["data"]["degraded"])


def test_a_server_without_any_model_lives_but_is_not_ready(own_stores):
    (own_stores / "champion.json").unlink()
    with serving(own_stores, ready=False) as url:
        assert httpx.get(url + "/readyz").status_code == 503
        response = httpx.post(url + VALUE, json=QUESTIONS[0])
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
        point(own_stores, "1")
        _until(lambda: httpx.get(url + "/readyz").status_code == 200)
        assert httpx.post(url + VALUE, json=QUESTIONS[0]).status_code == 200


def test_the_server_listens_on_loopback_only(server):
    import psutil

    port = int(server.rsplit(":", 1)[1])
    addresses = {
        c.laddr.ip
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port == port
    }
    assert addresses == {"127.0.0.1"}


def test_what_is_under_way_is_answered_before_the_server_ends(own_stores):
    with serving(own_stores) as url:
        statuses = []

        def ask():
            statuses.append(httpx.post(url + VALUE, json=QUESTIONS[0], timeout=20).status_code)

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * 12


def _until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "expected it to hold within the time"
        time.sleep(0.05)


def test_a_bento_is_built_without_a_network_and_holds_what_it_serves(tmp_path):
    copy = tmp_path / "repository"
    kept = shutil.ignore_patterns("__pycache__", ".git", ".hki", "tests", "*.log")
    shutil.copytree(REPOSITORY, copy, ignore=kept)
    (copy / "README.md").touch()
    nowhere = {
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
    }
    told = (
        environment(tmp_path, 3000) | nowhere | {"PYTHONPATH": f"{copy / 'src'}{os.pathsep}{copy}"}
    )
    bentoml = str(Path(sys.executable).parent / "bentoml")
    built = subprocess.run(
        [bentoml, "build", "--output", "tag"],
        cwd=copy,
        env=told,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-3000:]
    inside = next((tmp_path / "bentoml" / "bentos").rglob("bento.yaml")).parent / "src"
    for file in (
        "bentos/service.py",
        "hki_ml/serving/gateway.py",
        "hki_ml/serving/assets/page.html",
    ):
        assert (inside / file).is_file()


def test_the_bento_installs_the_versions_that_were_tested_together():
    import yaml

    packages = yaml.safe_load((REPOSITORY / "bentofile.yaml").read_text())["python"]["packages"]
    tested = (REPOSITORY / "constraints.txt").read_text().lower().splitlines()
    assert [name for name in packages if name.lower() not in tested] == []
