"""The lake: Delta tables in a folder or in an S3 bucket, each commit with the offsets that it comes from."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from hki_ml import tables
from hki_ml.adapters.lake_rows import cast, contents, counted, in_batches
from hki_ml.errors import Conflict, NotFound, Unavailable
from hki_ml.ports import Span
from hki_ml.settings import LakeSettings

SCHEMAS = tables.SCHEMAS
ATTEMPTS = 8
_VACUUM_HOURS = 168  # Delta's own least; a shorter one could take files from under a reader
# Of leads, a kilobyte a row, a reader would hold gigabytes: a row group is read whole (a million rows, as
# shipped), and sixteen batches ahead of whoever reads one.
_GROUPS = WriterProperties(max_row_group_size=131_072)
_AHEAD = {"batch_size": 32_768, "batch_readahead": 4, "fragment_readahead": 2}


class DeltaLake:
    """Delta tables under one address.

    Parameters
    ----------
    address
        A folder or ``s3://bucket/prefix``.
    options
        Storage options of object_store, empty for a folder; see ``s3_options``.
    schemas
        Table to columns; a table that is not named takes the columns of its first rows.
    """

    def __init__(
        self,
        address: str | Path,
        *,
        options: Mapping[str, str] | None = None,
        schemas: Mapping[str, pa.Schema] = SCHEMAS,
    ) -> None:
        self._address = str(address).rstrip("/")
        self._options = dict(options or {})
        self._schemas = schemas
        self._handles: dict[str, DeltaTable] = {}

    def append(self, table: str, rows: pa.Table, *, spans: Mapping[str, Span] | None = None) -> int:
        """Append rows with the spans that they come from in one commit; return the table's version."""
        spans = spans or {}
        handle = self._handle(table, create=rows.schema)
        rows = rows.cast(self._schemas.get(table, rows.schema))
        done = CommitProperties(
            app_transactions=[Transaction(app, span.end) for app, span in spans.items()]
        )
        for attempt in range(ATTEMPTS):
            # NOTE: check and write on the same handle: delta-rs refuses a commit only if the
            # application's offset moved since this handle's snapshot.
            self._refuse_moved(table, handle, spans)
            try:
                write_deltalake(
                    handle, rows, mode="append", commit_properties=done, writer_properties=_GROUPS
                )
                return int(handle.version())
            except CommitFailedError:
                time.sleep(0.02 * 2**attempt)
                self._refresh(handle)
        raise Conflict(
            f"{table}: expected to commit within {ATTEMPTS} attempts, others were faster"
        )

    def _refuse_moved(self, table: str, handle: DeltaTable, spans: Mapping[str, Span]) -> None:
        for application, span in spans.items():
            stored = handle.transaction_version(application) or 0
            if stored != span.start:
                raise Conflict(
                    f"{table}: expected {application} at offset {span.start}, it stands at {stored}"
                )

    def replace(self, table: str, rows: pa.Table) -> int:
        """Replace the table's content in one commit, unless the same rows are there already."""
        return self.replace_parts(table, (rows,), count=rows.num_rows)

    def replace_parts(self, table: str, parts: Iterable[pa.Table], *, count: int) -> int:
        """Replace the table's content by ``count`` rows in parts, unless the same rows are there already.

        Where the count differs each part is made when its turn comes. After the first, making one may not
        ask the lake for anything: it is done within delta-rs, which then waits for itself. Columns of
        other types than the table's (texts as a dictionary) are cast some rows at a time.
        """
        left = iter(parts)
        begun = next(left)
        schema = self._schemas.get(table, begun.schema)
        handle = self._handle(table, create=schema)
        whole: Iterable[pa.Table] = chain([begun], left)
        if counted(handle) == count:
            whole = list(whole)
            stored = self.batches(table, columns=schema.names)
            if contents(in_batches(whole, schema)) == contents(stored):
                return int(handle.version())
        written = pa.RecordBatchReader.from_batches(schema, in_batches(whole, schema))
        write_deltalake(handle, written, mode="overwrite", writer_properties=_GROUPS)
        return int(handle.version())

    def read(
        self,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        where: tuple[str, str] | None = None,
    ) -> pa.Table:
        """Return the table, or an empty one under its schema if nothing was ever written."""
        handle = self._find(table, version)
        if handle is None:
            schema = self._schema(table)
            return (schema if columns is None else _only(schema, columns)).empty_table()
        names = None if columns is None else list(columns)
        filters = None if where is None else [(where[0], "=", where[1])]
        files = self._files(table)
        rows = handle.to_pyarrow_table(columns=names, filters=filters, filesystem=files)
        return rows.cast(_only(self._schema(table, handle), columns))

    def batches(
        self,
        table: str,
        *,
        columns: Sequence[str] | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Yield the table in batches, or only what was appended after version ``since``."""
        handle = self._find(table, until if since is None else None)
        if handle is None:
            return
        schema = _only(self._schema(table, handle), columns)
        if since is None:
            data = handle.to_pyarrow_dataset(filesystem=self._files(table))
            scanner = data.scanner(columns=schema.names, **_AHEAD)
            yield from (cast(batch, schema) for batch in scanner.to_batches())
            return
        until = int(handle.version()) if until is None else until
        if since < until:
            changes = handle.load_cdf(since + 1, until, columns=[*schema.names, "_change_type"])
            for batch in pa.RecordBatchReader.from_stream(changes):
                # What was deleted is a change as well; nobody who follows a table wants it back.
                kind = batch.column("_change_type").cast(pa.string())
                yield cast(batch, schema).filter(pc.equal(kind, "insert"))

    def forget(self, table: str, column: str, *, before: datetime) -> int:
        """Delete the rows whose time lies before a moment, and the files that nobody can need."""
        handle = self._find(table)
        if handle is None:
            return 0
        try:
            done = handle.delete(f"{column} < {_literal(before)}")
            handle.vacuum(retention_hours=_VACUUM_HOURS, dry_run=False)
        except (DeltaError, OSError) as error:
            raise self._unavailable(table, error) from error
        return int(done["num_deleted_rows"] or 0)

    def offset(self, table: str, application: str) -> int | None:
        """Return the offset stored with the last commit of that application, if any."""
        handle = self._find(table)
        return None if handle is None else handle.transaction_version(application)

    def version(self, table: str) -> int:
        """Return the table's version, -1 if it was never written."""
        handle = self._find(table)
        return -1 if handle is None else int(handle.version())

    def location(self, table: str) -> str:
        """Return the table's address."""
        return f"{self._address}/{table}"

    def _files(self, table: str) -> SubTreeFileSystem | None:
        """Return Arrow's own reader of a folder's files; of a bucket delta-rs reads them.

        Arrow reads ahead on its own threads. Through delta-rs these call Python, and one that still
        reads when the interpreter ends takes the process down with it.
        """
        if "://" in self._address:
            return None
        return SubTreeFileSystem(self.location(table), LocalFileSystem())

    def _schema(self, table: str, handle: DeltaTable | None = None) -> pa.Schema:
        if table in self._schemas:
            return self._schemas[table]
        if handle is None:
            raise NotFound(f"{self._address}: no table {table!r}, it was never written")
        return pa.schema(handle.schema().to_arrow())

    def _find(self, table: str, version: int | None = None) -> DeltaTable | None:
        """Return a handle at the newest version or a new one at the given; None where nothing is."""
        try:
            if version is not None:
                return DeltaTable(
                    self.location(table), version=version, storage_options=self._options
                )
            if table not in self._handles:
                self._handles[table] = DeltaTable(
                    self.location(table), storage_options=self._options
                )
            else:
                self._refresh(self._handles[table])
        except TableNotFoundError:
            return None
        except (DeltaError, OSError) as error:
            raise self._unavailable(table, error) from error
        return self._handles[table]

    def _handle(self, table: str, *, create: pa.Schema) -> DeltaTable:
        handle = self._find(table)
        if handle is None:
            try:
                DeltaTable.create(
                    self.location(table),
                    self._schemas.get(table, create),
                    mode="ignore",
                    storage_options=self._options,
                    # What was appended since a version can be read without the rest.
                    configuration={"delta.enableChangeDataFeed": "true"},
                )
            except (DeltaError, OSError) as error:
                raise self._unavailable(table, error) from error
            handle = self._find(table)
        assert handle is not None  # noqa: S101 - it was just created
        return handle

    @staticmethod
    def _refresh(handle: DeltaTable) -> None:
        handle.update_incremental()

    def _unavailable(self, table: str, error: Exception) -> Unavailable:
        return Unavailable(f"{self.location(table)}: {str(error).splitlines()[0]}")


def _literal(moment: datetime) -> str:
    """Return a moment as SQL; a plain TIMESTAMP would be one of nanoseconds, and those do not compare."""
    return f"arrow_cast('{moment.astimezone(UTC).isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"


def _only(schema: pa.Schema, columns: Sequence[str] | None) -> pa.Schema:
    return schema if columns is None else pa.schema([schema.field(name) for name in columns])


def open_lake(settings: LakeSettings, folder: Path) -> DeltaLake:
    """Return the lake that the settings name: in the bucket if there is a URL, else in the folder."""
    if settings.url is None:
        return DeltaLake(folder)
    return DeltaLake(settings.url, options=s3_options(settings))


def s3_options(settings: LakeSettings) -> dict[str, str]:
    """Return the storage options of an S3-compatible server; keys that are not set stay out."""
    options: dict[str, Any] = {"AWS_REGION": settings.s3_region}
    if settings.s3_endpoint is not None:
        options["AWS_ENDPOINT_URL"] = settings.s3_endpoint
        if settings.s3_endpoint.startswith("http://"):
            options["AWS_ALLOW_HTTP"] = "true"
    if settings.s3_access_key is not None:
        options["AWS_ACCESS_KEY_ID"] = settings.s3_access_key.get_secret_value()
    if settings.s3_secret_key is not None:
        options["AWS_SECRET_ACCESS_KEY"] = settings.s3_secret_key.get_secret_value()
    return options
