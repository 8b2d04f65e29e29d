"""Which parts there are: their commands, ports, environments and logs, all from the settings."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hki_ml.errors import Conflict, Unavailable
from hki_ml.platform.parts import PATIENCE_SECONDS, Part, answers
from hki_ml.settings import FeatureSettings, RegistrySettings, Settings

POOL = "hki-local"
HOST = "127.0.0.1"
HEARTBEAT_SECONDS = 30  # the least that Prefect takes


class Layout:
    """The parts under these settings, started from the checkout ``folder``."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._given, self._folder = settings, folder.absolute()
        self._home = settings.home.absolute()
        platform = settings.platform
        self.api = f"http://{HOST}:{platform.prefect_port}/api"
        self.mlflow = settings.registry.mlflow_url or f"http://{HOST}:{platform.mlflow_port}"
        self.inside = settings.model_copy(
            update={
                "home": self._home,
                "registry": RegistrySettings(mlflow_url=self.mlflow),
                "features": FeatureSettings(
                    **settings.features.model_dump()
                    | {"repository": self._folder / settings.features.repository}
                ),
            }
        )

    def refuse_taken_ports(self) -> None:
        """See that nobody listens where the parts will: what answers there would be taken for ours.

        Raises
        ------
        Conflict
            If a port is taken; the message says which setting names another.
        """
        given = self._given
        ports = {"HKI_PLATFORM__PREFECT_PORT": given.platform.prefect_port}
        if given.registry.mlflow_url is None:
            ports["HKI_PLATFORM__MLFLOW_PORT"] = given.platform.mlflow_port
        if given.platform.serve:
            ports["HKI_SERVING__PORT"] = given.serving.port
        for setting, port in ports.items():
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    raise Conflict(
                        f"somebody listens on {HOST}:{port} already; {setting} names another"
                    )

    def servers(self) -> list[Part]:
        """Return what remembers: Prefect's server and, unless one is named, MLflow's."""
        port = str(self._given.platform.prefect_port)
        command = [
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            HOST,
            "--port",
            port,
        ]
        parts = [self._part("prefect", command, f"{self.api}/health")]
        if self._given.registry.mlflow_url is None:
            parts.append(self._part("mlflow", self._mlflow(), f"{self.mlflow}/health"))
        return parts

    def worker(self) -> Part:
        """Return what runs the flows."""
        command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL]
        command += ["--type", "process", "--name", "hki"]
        return self._part("worker", command, f"{self.api}/work_pools/{POOL}")

    def service(self) -> Part:
        """Return what answers over HTTP."""
        serving = self._given.serving
        command = [sys.executable, "-m", "bentoml", "serve", "bentos.service:HKI"]
        command += ["--host", serving.host, "--port", str(serving.port)]
        return self._part("service", command, f"http://{serving.host}:{serving.port}/livez")

    def deploying(self) -> list[str]:
        """Return the command that makes the server follow ``prefect.yaml``."""
        return [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]

    def wait_for_pool(self) -> None:
        """Wait until the worker has made its pool: a deployment to none is refused."""
        is_there, deadline = (
            answers(f"{self.api}/work_pools/{POOL}"),
            time.monotonic() + PATIENCE_SECONDS,
        )
        while not is_there():
            if time.monotonic() > deadline:
                raise Unavailable(f"the worker made no pool {POOL}; {self.log('worker')} says why")
            time.sleep(0.2)

    def environment(self) -> dict[str, str]:
        """Return what every part is told beyond what this process was told."""
        home, given = self._home, self._given.platform
        told = {
            "HKI_HOME": str(home),
            "HKI_ROOT": str(self._folder),
            "HKI_REGISTRY__MLFLOW_URL": self.mlflow,
            "HKI_FEATURES__REPOSITORY": str(self.inside.features.repository),
            "PREFECT_API_URL": self.api,
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_UI_STATIC_DIRECTORY": str(home / "prefect" / "ui"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            "PREFECT_WORKER_QUERY_SECONDS": f"{given.worker_seconds:g}",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else nine processes for jobs nobody has
            "DO_NOT_TRACK": "1",
            "BENTOML_DO_NOT_TRACK": "True",
        }
        if given.prefect_database is not None:
            told["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = (
                given.prefect_database.get_secret_value()
            )
        paths = [str(self._folder), os.environ.get("PYTHONPATH", "")]
        return told | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}

    def whole_environment(self) -> dict[str, str]:
        """Return the environment of a part."""
        return {**os.environ, **self.environment()}

    def addresses(self) -> list[str]:
        """Return a line a part for whoever looks."""
        serving = self._given.serving
        lines = [
            f"  flows      {self.api.removesuffix('/api')}",
            f"  registry   {self.mlflow}",
            f"  logs       {self._home / 'platform'}",
        ]
        if self._given.platform.serve:
            lines.insert(0, f"  service    http://{serving.host}:{serving.port}/")
        return lines

    def log(self, name: str) -> Path:
        """Return the file that takes what a part says."""
        folder = self._home / "platform"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"

    def note_ready(self, parts: Sequence[Part]) -> None:
        """Write down that all parts answer, with their process ids."""
        told = {
            "api": self.api,
            "mlflow": self.mlflow,
            "pids": {part.name: part.pid for part in parts},
        }
        half = self._ready.with_suffix(".part")
        half.write_text(json.dumps(told, indent=1))
        half.replace(self._ready)

    def forget_ready(self) -> None:
        """Take it back."""
        self._ready.unlink(missing_ok=True)

    @property
    def _ready(self) -> Path:
        return self.log("ready").with_suffix(".json")

    def digest(self) -> str:
        """Return a hash over what is deployed: ``prefect.yaml``, the flows, and where they run."""
        digest = hashlib.sha256(json.dumps([str(self._folder), POOL, self.api]).encode())
        for path in [self._folder / "prefect.yaml", *sorted((self._folder / "flows").glob("*.py"))]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def deployed(self) -> str:
        """Return the hash of what was deployed last."""
        noted = self._home / "platform" / "deployed"
        return noted.read_text() if noted.is_file() else ""

    def note_deployed(self, digest: str) -> None:
        """Write down what was deployed."""
        (self._home / "platform" / "deployed").write_text(digest)

    def _mlflow(self) -> list[str]:
        folder = self._given.mlflow_path.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        database = self._given.platform.mlflow_database
        store = f"sqlite:///{folder}/mlflow.db" if database is None else database.get_secret_value()
        command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--workers", "1"]
        command += ["--port", str(self._given.platform.mlflow_port), "--backend-store-uri", store]
        return [*command, "--artifacts-destination", str(folder / "artifacts")]

    def _part(self, name: str, command: list[str], url: str) -> Part:
        return Part(name, command, self.environment(), self.log(name), answers(url))
