"""Feast's online store in SQLite with one row an entity: a column a feature, as written once.

As shipped each feature of each entity is a row and an upsert of its own: nine million for 300,000 leads,
most of the time of a night. Here a view is a table of its own shape. A feature that was never written is
NULL; one that was written as missing is Feast's empty ``Value``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import to_naive_utc

Written = Sequence[tuple[Any, dict[str, Any], datetime, datetime | None]]
Read = list[tuple[datetime | None, dict[str, Any] | None]]
FIXED = ("entity_key", "event_ts", "created_ts")


class WideSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):  # type: ignore[misc]
    """Feast's own settings under our name."""

    type: Literal["hki_ml.adapters.online_sqlite.WideSqliteOnlineStore"] = (
        "hki_ml.adapters.online_sqlite.WideSqliteOnlineStore"
    )


class WideSqliteOnlineStore(SqliteOnlineStore):  # type: ignore[misc]
    """Keeps the features of an entity in one row."""

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,  # noqa: FBT001 - Feast's signature
    ) -> None:
        """Make the tables of views; one of another shape is made anew and has to be filled again."""
        del entities_to_delete, entities_to_keep, partial
        connection = self._get_conn(config)
        for view in tables_to_keep:
            name = _table(config, view)
            columns = (*FIXED, *(field.name for field in view.features))
            told = connection.execute(f'PRAGMA table_info("{name}")').fetchall()
            if {row[1] for row in told} == set(columns):
                continue
            with connection:
                connection.execute(f'DROP TABLE IF EXISTS "{name}"')
                features = "".join(f', "{each}" BLOB' for each in columns[len(FIXED) :])
                connection.execute(
                    f'CREATE TABLE "{name}" (entity_key BLOB PRIMARY KEY, event_ts INTEGER, '
                    f"created_ts INTEGER{features})"
                )
        for view in tables_to_delete:
            with connection:
                connection.execute(f'DROP TABLE IF EXISTS "{_table(config, view)}"')

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: Written,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write the features of entities, all in one transaction; those not given stay as they are."""
        version = config.entity_key_serialization_version
        names = [field.name for field in table.features]
        rows = [
            (
                serialize_entity_key(key, version), _seconds(at), None if made is None else _seconds(made),
                *(values[name].SerializeToString() if name in values else None for name in names),
            )
            for key, values, at, made in data
        ]  # fmt: skip
        given = [name for name in names if any(name in values for _, values, _, _ in data)]
        kept = (*FIXED[1:], *given)
        columns = ", ".join(f'"{name}"' for name in (*FIXED, *names))
        changes = ", ".join(f'"{name}" = coalesce(excluded."{name}", "{name}")' for name in kept)
        marks = ", ".join("?" * (len(FIXED) + len(names)))
        connection = self._get_conn(config)
        with connection:
            connection.executemany(
                f'INSERT INTO "{_table(config, table)}" ({columns}) VALUES ({marks}) '  # noqa: S608
                f"ON CONFLICT(entity_key) DO UPDATE SET {changes}",
                rows,
            )
        if progress:
            progress(len(rows))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[Any],
        requested_features: list[str] | None = None,
    ) -> Read:
        """Return when each entity was written and its features; ``None`` twice for who is not there."""
        version = config.entity_key_serialization_version
        keys = [serialize_entity_key(key, version) for key in entity_keys]
        names = requested_features or [field.name for field in table.features]
        columns = ", ".join(f'"{name}"' for name in names)
        rows = self._get_conn(config).execute(
            f'SELECT entity_key, event_ts, {columns} FROM "{_table(config, table)}" '  # noqa: S608
            f"WHERE entity_key IN ({','.join('?' * len(keys))})",
            keys,
        )
        found = {
            key: (
                datetime.fromtimestamp(at, UTC),
                {
                    n: Value.FromString(v)
                    for n, v in zip(names, values, strict=True)
                    if v is not None
                },
            )
            for key, at, *values in rows
        }
        return [found.get(key, (None, None)) for key in keys]


def _table(config: RepoConfig, view: FeatureView) -> str:
    versioning = config.registry.enable_online_feature_view_versioning
    return str(compute_table_id(config.project, view, versioning))


def _seconds(moment: datetime) -> int:
    return int(to_naive_utc(moment).replace(tzinfo=UTC).timestamp())
