"""The model registry: MLflow, on SQLite and a folder, or on a server.

Writing goes through MLflow's client. Reading an alias, which serving does every few seconds, asks the
database or the REST API itself: MLflow takes seconds to import and minutes to give up on a server that
is down. A contract test holds both ways of reading equal to MLflow's client.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hki_ml.errors import NotFound, Unavailable
from hki_ml.ports import ModelVersion
from hki_ml.settings import Settings

TIMEOUT_SECONDS = 3.0


class MlflowRegistry:
    """MLflow under our settings.

    Parameters
    ----------
    settings
        ``registry.mlflow_url`` for a server, else the folder ``home/mlflow``.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = settings.registry.mlflow_url
        self._folder = settings.mlflow_path.absolute()
        self._database = self._folder / "mlflow.db"

    def register(
        self,
        model: str,
        folder: Path,
        *,
        figures: Mapping[str, float],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> ModelVersion:
        """Record a run with the folder's files and register it as the model's next version."""
        from mlflow.entities import Metric, Param

        client = self._client()
        stamp = int(datetime.now(UTC).timestamp() * 1000)  # MLflow's own clock is this one too
        run = client.create_run(self._experiment(client, model), run_name=model, tags=dict(tags))
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, stamp, 0) for name, value in figures.items()],
            params=[Param(name, value) for name, value in params.items()],
        )
        client.log_artifacts(run.info.run_id, str(folder), "model")
        if not client.search_registered_models(f"name = '{model}'"):
            client.create_registered_model(model)
        made = client.create_model_version(
            model, f"{run.info.artifact_uri}/model", run.info.run_id, tags=dict(tags)
        )
        client.set_terminated(run.info.run_id)
        return self.version(model, str(made.version))

    def point(self, model: str, alias: str, version: str) -> None:
        """Let the alias stand for the version."""
        self._client().set_registered_model_alias(model, alias, version)

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        """Return the version an alias stands for, if any."""
        if self._url is not None:
            return _rest_alias(self._url, model, alias)
        return next((found for found in self.versions(model) if alias in found.aliases), None)

    def version(self, model: str, version: str) -> ModelVersion:
        """Return one version of a model.

        Raises
        ------
        NotFound
            If there is no such version.
        """
        for found in self.versions(model):
            if found.version == version:
                return found
        raise NotFound(f"expected a registered version of {model}, got {version!r}")

    def versions(self, model: str) -> list[ModelVersion]:
        """Return the versions of a model, newest first; none if it was never registered.

        Raises
        ------
        Unavailable
            If the registry does not answer within 3 s.
        """
        if self._url is not None:
            return _rest_versions(self._url, model)
        if not self._database.exists():
            return []
        return _sqlite_versions(self._database, model)

    def download(self, version: ModelVersion, into: Path) -> Path:
        """Return the folder, ``into`` or one in it, that now holds the version's files."""
        if version.location.startswith("file://"):
            source = Path(urllib.parse.urlparse(version.location).path)
            if not source.is_dir():
                raise Unavailable(
                    f"expected the files of {version.model} {version.version} at {source}"
                )
            shutil.copytree(source, into, dirs_exist_ok=True)
            return into
        self._client()
        import mlflow

        into.mkdir(parents=True, exist_ok=True)
        return Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=version.location, dst_path=str(into), tracking_uri=self._url
            )
        )

    def file(self, version: ModelVersion, name: str) -> bytes:
        """Return one of the version's files.

        Raises
        ------
        NotFound
            If the version has no such file.
        """
        missing = NotFound(f"expected {name} among the files of {version.model} {version.version}")
        if version.location.startswith("file://"):
            path = Path(urllib.parse.urlparse(version.location).path) / name
            if not path.is_file():
                raise missing
            return path.read_bytes()
        self._client()
        import mlflow

        address = f"{version.location}/{name}"
        with tempfile.TemporaryDirectory() as into:
            try:
                found = mlflow.artifacts.download_artifacts(
                    artifact_uri=address, dst_path=into, tracking_uri=self._url
                )
            except (mlflow.MlflowException, OSError) as error:
                raise missing from error
            return Path(found).read_bytes()

    def _client(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import logging

            logging.getLogger("mlflow").setLevel(logging.WARNING)
            logging.getLogger("alembic").setLevel(logging.WARNING)
            from mlflow import MlflowClient

            if self._url is not None:
                return MlflowClient(self._url, self._url)
            self._folder.mkdir(parents=True, exist_ok=True)
            address = f"sqlite:///{self._database}"
            return MlflowClient(address, address)

    def _experiment(self, client: Any, model: str) -> str:
        found = client.get_experiment_by_name(model)
        if found is not None:
            return str(found.experiment_id)
        where = None if self._url is not None else (self._folder / "artifacts").as_uri()
        return str(client.create_experiment(model, artifact_location=where))


def _sqlite_versions(database: Path, model: str) -> list[ModelVersion]:
    queries = {
        "versions": "SELECT version, source, run_id, creation_time FROM model_versions WHERE name = ?",
        "aliases": "SELECT version, alias, NULL FROM registered_model_aliases WHERE name = ?",
        "tags": "SELECT version, key, value FROM model_version_tags WHERE name = ?",
        "figures": (
            "SELECT v.version, m.key, m.value FROM latest_metrics m "
            "JOIN model_versions v ON v.run_id = m.run_uuid WHERE v.name = ? AND m.is_nan = 0"
        ),
    }
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            rows = {
                name: connection.execute(sql, [model]).fetchall() for name, sql in queries.items()
            }
    except sqlite3.Error as error:
        raise Unavailable(f"expected MLflow's database at {database}, got: {error}") from error
    return [
        ModelVersion(
            model=model,
            version=str(number),
            location=location,
            figures={key: float(value) for of, key, value in rows["figures"] if of == number},
            tags={key: value for of, key, value in rows["tags"] if of == number},
            aliases=tuple(sorted(alias for of, alias, _ in rows["aliases"] if of == number)),
            registered_at=datetime.fromtimestamp(created / 1000, tz=UTC),
        )
        for number, location, _, created in sorted(rows["versions"], reverse=True)
    ]


def _rest_versions(url: str, model: str) -> list[ModelVersion]:
    filtered = urllib.parse.quote(f"name='{model}'")
    found = _rest(url, f"model-versions/search?filter={filtered}&max_results=1000")
    named = _rest(url, f"registered-models/get?name={urllib.parse.quote(model)}", missing=(404,))
    aliases = named.get("registered_model", {}).get("aliases", [])
    versions = sorted(
        found.get("model_versions", []), key=lambda row: int(row["version"]), reverse=True
    )
    return [_rest_version(url, model, row, aliases) for row in versions]


def _rest_alias(url: str, model: str, alias: str) -> ModelVersion | None:
    """Ask for one alias alone: services do every few seconds, however many versions there are."""
    name = urllib.parse.quote(model)
    found = _rest(
        url,
        f"registered-models/alias?name={name}&alias={urllib.parse.quote(alias)}",
        missing=(400, 404),  # MLflow calls an alias that was never set a bad parameter
    )
    row = found.get("model_version")
    if row is None:
        return None
    named = [{"alias": each, "version": row["version"]} for each in row.get("aliases", [alias])]
    return _rest_version(url, model, row, named)


def _rest_version(
    url: str, model: str, row: Mapping[str, Any], aliases: list[dict[str, str]]
) -> ModelVersion:
    run = _rest(url, f"runs/get?run_id={row['run_id']}", missing=(404,))
    metrics = run.get("run", {}).get("data", {}).get("metrics", [])
    return ModelVersion(
        model=model,
        version=str(row["version"]),
        location=row["source"],
        figures={metric["key"]: float(metric["value"]) for metric in metrics},
        tags={tag["key"]: tag["value"] for tag in row.get("tags", [])},
        aliases=tuple(
            sorted(
                found["alias"] for found in aliases if str(found["version"]) == str(row["version"])
            )
        ),
        registered_at=datetime.fromtimestamp(int(row["creation_timestamp"]) / 1000, tz=UTC),
    )


def _rest(url: str, path: str, *, missing: tuple[int, ...] = ()) -> dict[str, Any]:
    address = f"{url.rstrip('/')}/api/2.0/mlflow/{path}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310 - a setting
            answer: dict[str, Any] = json.load(reply)
            return answer
    except urllib.error.HTTPError as error:
        if error.code in missing:
            return {}
        raise Unavailable(f"expected an answer of MLflow at {url}, got {error.code}") from error
    except OSError as error:
        raise Unavailable(f"expected MLflow at {url}, got: {error}") from error
