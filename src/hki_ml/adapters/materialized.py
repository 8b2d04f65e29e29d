"""What of each feature table an online store already holds, so that only what is new is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from hki_ml.ports import Lake
from hki_ml.tables import MATERIALIZED, SCHEMAS


@dataclass(frozen=True, slots=True)
class Mark:
    """The version of a feature table that an online store holds, and up to which event time."""

    version: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Fresh:
    """Rows that an online store does not hold yet: how many, and the oldest event time among them."""

    rows: int
    oldest: datetime


class Marks:
    """The marks of one online store, kept in the lake's table ``materialized``.

    A row is new if the version last written did not hold it as it stands, whatever its times say: a file
    of old sales, a correction or a slow import that ends after a materialization is never passed over.

    Parameters
    ----------
    lake
        Holds the feature tables with their versions.
    store
        The address of the online store.
    """

    def __init__(self, lake: Lake, store: str) -> None:
        self._lake, self._store = lake, store

    def fresh(self, view: str, version: int, until: datetime) -> Fresh | None:
        """Return what of that version of the view up to ``until`` the store lacks, if anything."""
        mark = self._all().get((self._store, view))
        if mark == Mark(version, until):
            return None
        import duckdb

        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            is_compared = mark is not None and mark.version != version
            self._stand_in(connection, "present", view, version, is_compared=is_compared)
            lacking = "SELECT event_timestamp FROM present WHERE event_timestamp <= $until"
            told: dict[str, object] = {"until": until}
            if mark is not None:
                told["before"] = mark.until
            if mark is not None and not is_compared:
                lacking += " AND event_timestamp > $before"
            elif mark is not None:
                self._stand_in(connection, "past", view, mark.version, is_compared=True)
                lacking = (
                    "SELECT event_timestamp FROM (FROM present WHERE event_timestamp <= $until"
                    " EXCEPT ALL FROM past WHERE event_timestamp <= $before)"
                )
            query = f"SELECT count(*), epoch_us(min(event_timestamp)) FROM ({lacking})"  # noqa: S608
            count, oldest = connection.execute(query, told).fetchall()[0]
        if not count:
            return None
        return Fresh(count, pa.scalar(oldest, MATERIALIZED.field("until").type).as_py())

    def set(self, view: str, mark: Mark) -> None:
        """Remember what the store holds of the view now."""
        self._write(self._all() | {(self._store, view): mark})

    def forget(self, view: str) -> None:
        """Remember that the store holds nothing of the view."""
        marks = self._all()
        if marks.pop((self._store, view), None) is not None:
            self._write(marks)

    def _write(self, marks: dict[tuple[str, str], Mark]) -> None:
        rows = [
            {"store": store, "view": name, "version": each.version, "until": each.until}
            for (store, name), each in sorted(marks.items())
        ]
        self._lake.replace("materialized", pa.Table.from_pylist(rows, schema=MATERIALIZED))

    def _all(self) -> dict[tuple[str, str], Mark]:
        rows = self._lake.read("materialized").to_pylist()
        return {(row["store"], row["view"]): Mark(row["version"], row["until"]) for row in rows}

    def _stand_in(
        self, connection: Any, name: str, view: str, version: int, *, is_compared: bool
    ) -> None:
        """Make a table of the moments of a version, and hashes of its rows if they are compared.

        Rows as they stand would be gigabytes, and so they are where DuckDB lets Arrow filter them for it.
        """
        names = SCHEMAS[view].names if is_compared else ["event_timestamp"]
        connection.register("rows", self._rows(view, version, names))
        what = "event_timestamp, hash(r) AS row" if is_compared else "event_timestamp"
        connection.execute(f"CREATE TEMP TABLE {name} AS SELECT {what} FROM rows r")  # noqa: S608
        connection.unregister("rows")

    def _rows(self, view: str, version: int, names: Sequence[str]) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            if version >= 0:
                yield from self._lake.batches(view, columns=names, until=version)

        schema = pa.schema([SCHEMAS[view].field(name) for name in names])
        return pa.RecordBatchReader.from_batches(schema, batches())
