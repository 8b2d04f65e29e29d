"""The feature store: Feast on DuckDB over the lake's Delta tables, SQLite or Redis online."""

from __future__ import annotations

import contextlib
import io
import sqlite3
import sys
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hki_ml.adapters.features_online import OnlineReader, RedisBytes, SqliteBytes, View
from hki_ml.adapters.materialized import Mark, Marks
from hki_ml.adapters.online_rows import online_rows
from hki_ml.errors import SettingsError
from hki_ml.ports import Lake, OnlineRow
from hki_ml.settings import Settings
from hki_ml.tables import FEATURE_SERVICES, SCHEMAS, table_address

if TYPE_CHECKING:
    import pandas as pd

PROJECT = "hki"
DAY = timedelta(days=1)
MOMENT = "{'at': event_timestamp, 'made': created}"
ENTITIES_AT_ONCE = 20_000  # written online: a million values are half a gigabyte as protobufs
WIDE_SQLITE = "hki_ml.adapters.online_sqlite.WideSqliteOnlineStore"  # imported with Feast only


class FeastStore:
    """Feast under our settings; Feast itself is imported only by what needs it, never to read online.

    Parameters
    ----------
    settings
        Where registry and online store are, and the folder of the declarations.
    lake
        Holds the feature tables, and the table that says what was last applied.
    """

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self._settings = settings
        self._lake = lake
        self._store: Any = None
        self._reader: OnlineReader | None = None

    def apply(self) -> None:
        """Register the repository's entities, views and services; a second time changes nothing."""
        store = self._feast()
        repository = self._settings.features.repository.resolve()
        if not (repository / "feature_store.yaml").exists():
            raise SettingsError(
                f"HKI_FEATURES__REPOSITORY: expected a folder with feature_store.yaml, got {repository}"
            )
        from feast.repo_operations import parse_repo

        with _quiet(), contextlib.chdir(repository.parent), _import_path(repository.parent):
            found = parse_repo(repository)
            for (
                view
            ) in found.feature_views:  # declared under the process's settings, applied under ours
                view.batch_source.file_options.uri = table_address(self._settings, view.name)
            store.apply([*found.entities, *found.feature_views, *found.feature_services])
        self._lake.replace("feature_services", _services_table(store))
        self._reader = None

    def materialize(self, until: datetime) -> int:
        """Bring the online store up to ``until`` and return how many feature rows were new to it.

        What is new is told by the versions of the feature tables, not by times: see ``Marks``.
        """
        store = self._feast()
        path, redis_url = _online_path(self._settings), self._settings.features.redis_url
        marks = Marks(self._lake, redis_url or str(path))
        written = 0
        for view in store.list_feature_views():
            version = self._lake.version(view.name)
            if redis_url is None and not _has_rows(path, view.name):
                marks.forget(view.name)
            fresh = marks.fresh(view.name, version, until)
            if fresh is None:
                continue
            provider = store._get_provider()  # noqa: SLF001 - where `write_to_online_store` ends as well
            for rows in self._latest(view, version, since=fresh.oldest - DAY, until=until):
                provider.online_write_batch(store.config, view, online_rows(view, rows), None)
            marks.set(view.name, Mark(version, until))
            written += fresh.rows
        return written

    def _latest(
        self, view: Any, version: int, *, since: datetime, until: datetime
    ) -> Iterator[pa.RecordBatch]:
        """Yield the last row of each entity in a span, some at a time: all at once would be gigabytes."""
        import duckdb

        key = view.join_keys[0]
        names = [key, *(field.name for field in view.features), "event_timestamp", "created"]
        narrow = [key, "event_timestamp", "created"]
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            # A stream tells no size: unasked, DuckDB would keep its rows and let the moments pass by.
            connection.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
            connection.register("moments", self._rows(view.name, narrow, version))
            # Of two rows of one moment, made at once, either: they say the same.
            connection.execute(
                f'CREATE TEMP TABLE last AS SELECT "{key}" AS id, '  # noqa: S608 - names of ours
                f"max({MOMENT}) AS moment FROM moments "
                "WHERE event_timestamp > $since AND event_timestamp <= $until GROUP BY id",
                {"since": since, "until": until},
            )
            connection.register("rows", self._rows(view.name, names, version))
            found = connection.execute(
                f'SELECT rows.* FROM rows JOIN last ON "{key}" = id '  # noqa: S608 - names of ours
                f"AND {MOMENT} = moment"
            )
            schema = pa.schema([SCHEMAS[view.name].field(name) for name in names])
            for batch in found.to_arrow_reader(ENTITIES_AT_ONCE):
                yield batch.cast(schema)

    def _rows(self, view: str, names: Sequence[str], version: int) -> pa.RecordBatchReader:
        schema = pa.schema([SCHEMAS[view].field(name) for name in names])
        batches = self._lake.batches(view, columns=names, until=version)
        return pa.RecordBatchReader.from_batches(schema, batches)

    def training_frame(self, service: str, spine: pd.DataFrame) -> pd.DataFrame:
        """Return the spine with each feature as it was known at ``event_timestamp``.

        Raises
        ------
        RuntimeError
            If Feast returned another number of rows than it was asked for.
        """
        store = self._feast()
        ordered = spine.reset_index(drop=True)
        ordered["spine_position"] = range(len(ordered))
        with _quiet():
            joined: pd.DataFrame = store.get_historical_features(
                entity_df=ordered, features=store.get_feature_service(service)
            ).to_df()
        if len(joined) != len(spine):
            raise RuntimeError(f"expected {len(spine)} rows from Feast, got {len(joined)}")
        joined = joined.sort_values("spine_position").drop(columns="spine_position")
        return joined.reset_index(drop=True)

    def online(self, service: str, entity_ids: Sequence[str]) -> list[OnlineRow]:
        """Return the present features of each entity, in order."""
        if self._reader is None:
            self._reader = OnlineReader(self._services(), self._online_bytes())
        return self._reader.read(service, entity_ids, now=datetime.now(UTC))  # a door to the clock

    def _services(self) -> dict[str, list[View]]:
        rows = self._lake.read("feature_services").to_pylist()
        services: dict[str, list[View]] = {}
        for key in dict.fromkeys((row["service"], row["view"]) for row in rows):
            fields = [row for row in rows if (row["service"], row["view"]) == key]
            services.setdefault(key[0], []).append(
                View(
                    key[1],
                    fields[0]["join_key"],
                    tuple(row["feature"] for row in fields),
                    timedelta(seconds=fields[0]["ttl_seconds"]),
                )
            )
        return services

    def _online_bytes(self) -> SqliteBytes | RedisBytes:
        redis_url = self._settings.features.redis_url
        if redis_url is not None:
            return RedisBytes(redis_url, PROJECT)
        return SqliteBytes(_online_path(self._settings), PROJECT)

    def _feast(self) -> Any:
        if self._store is None:
            self._store = _open(self._settings)
        return self._store


def _online_path(settings: Settings) -> Path:
    return settings.feast_path.absolute() / "online.db"


def _has_rows(path: Path, view: str) -> bool:
    """Return whether the SQLite store holds anything of a view: a person may have deleted the file."""
    if not path.exists():
        return False
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            query = f'SELECT 1 FROM "{PROJECT}_{view}" LIMIT 1'  # noqa: S608 - names of ours
            return connection.execute(query).fetchone() is not None
        except sqlite3.OperationalError:  # the view was never applied
            return False


def _open(settings: Settings) -> Any:
    settings.feast_path.mkdir(parents=True, exist_ok=True)
    with _quiet():
        from feast import FeatureStore, RepoConfig
        from feast.infra.registry.sql import SqlRegistryConfig

        _load_delta(settings)
        features = settings.features
        registry: Any = str(settings.feast_path.absolute() / "registry.db")
        if features.registry_url is not None:
            registry = SqlRegistryConfig(registry_type="sql", path=features.registry_url)
        online: dict[str, str | bool] = {"type": WIDE_SQLITE, "path": str(_online_path(settings))}
        if features.redis_url is not None:
            # Else Redis keeps a row that was corrected at the same moment; what we write is the latest.
            online = {
                "type": "redis",
                "connection_string": features.redis_url,
                "skip_dedup": True,
            }
        config = RepoConfig(
            project=PROJECT,
            provider="local",
            registry=registry,
            offline_store={"type": "duckdb"},
            online_store=online,
            entity_key_serialization_version=3,
        )
        return FeatureStore(config=config)


def _load_delta(settings: Settings) -> None:
    # NOTE: DuckDB would download its extensions; the wheels of the same version carry them.
    import duckdb_extensions
    import ibis

    duckdb_extensions.import_extension("delta")
    backend = ibis.get_backend()
    backend.raw_sql("LOAD delta")
    lake = settings.lake
    if lake.url is None or lake.s3_access_key is None or lake.s3_secret_key is None:
        return
    duckdb_extensions.import_extension("httpfs")
    backend.raw_sql("LOAD httpfs")
    endpoint = (lake.s3_endpoint or "").removeprefix("http://").removeprefix("https://")
    secure = str(not (lake.s3_endpoint or "").startswith("http://")).lower()
    where = f", ENDPOINT '{endpoint}', URL_STYLE 'path', USE_SSL {secure}" if endpoint else ""
    backend.raw_sql(
        f"CREATE OR REPLACE SECRET lake (TYPE s3, KEY_ID '{lake.s3_access_key.get_secret_value()}', "
        f"SECRET '{lake.s3_secret_key.get_secret_value()}', REGION '{lake.s3_region}'{where})"
    )


def _services_table(store: Any) -> pa.Table:
    rows = [
        {
            "service": service.name,
            "view": projection.name,
            "join_key": view.join_keys[0],
            "feature": field.name,
            "ttl_seconds": int(view.ttl.total_seconds()) if view.ttl else 0,
        }
        for service in sorted(store.list_feature_services(), key=lambda found: str(found.name))
        for projection in service.feature_view_projections
        for view in [store.get_feature_view(projection.name)]
        for field in sorted(projection.features, key=lambda found: str(found.name))
    ]
    return pa.Table.from_pylist(rows, schema=FEATURE_SERVICES)


@contextlib.contextmanager
def _import_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hold back Feast's progress lines and the deprecation warnings of what it stands on."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
