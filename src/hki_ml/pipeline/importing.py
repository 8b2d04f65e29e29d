"""A file into the lake; what does not fit is kept with its reason."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BufferedWriter
from pathlib import Path

import msgspec
import polars as pl
import pyarrow as pa

from hki_ml import tables
from hki_ml.errors import BadInput, MappingError
from hki_ml.mapping.leads import LeadMapping
from hki_ml.mapping.loading import AnyMapping, events_of
from hki_ml.pipeline.file_check import unlike_before
from hki_ml.pipeline.groups import keep_of_file
from hki_ml.pipeline.ingest import ingest, quarantine_id
from hki_ml.pipeline.known_ids import KnownIds, from_texts, stored_ids
from hki_ml.pipeline.reading import Reading, Tally, check_file, read_file
from hki_ml.pipeline.tabulate import tabulate_sales
from hki_ml.pipeline.track import Tracker
from hki_ml.ports import EventBus, Lake

REJECT_COLUMNS = ("reject_reason", "reject_detail", "reject_row")


@dataclass(frozen=True, slots=True)
class Import:
    """One file on its way in.

    Parameters
    ----------
    as_of
        The present, aware.
    rejects
        CSV to write the refused rows to, as they stood and with their reasons, to mend and replay.
    accept_unlike
        Take a file in although it is unlike what its source sent before.
    on_progress
        Called with the step (``"read"``, ``"ingested"``) and the rows done since the call before.
    """

    bus: EventBus
    lake: Lake
    mapping: AnyMapping
    as_of: datetime
    rejects: Path | None = None
    accept_unlike: bool = False
    on_progress: Callable[[str, int], None] = lambda _step, _rows: None

    def run(self, path: Path) -> Tally:
        """Return what became of the rows, all of which are now in the lake's tables.

        A file that was imported before changes nothing: its rows are duplicates. A file that as a
        whole is unlike what its source sent before is held: all its rows go to the quarantine, and the
        tally says why.

        Raises
        ------
        FileUnreadable, MappingError
            If the file or the mapping cannot be used; nothing was changed then, unless the message says so.
        Unavailable
            If the bus or the lake does not answer; run it again then.
        """
        self._check(path)
        ingest(
            self.bus, self.lake, ingested_at=self.as_of
        )  # what others left is not counted as ours
        quarantined = self._stored("quarantine", "quarantine_id")
        known, duplicates = self._stored("events", "event_id"), 0

        def take(reading: Reading) -> None:
            nonlocal duplicates
            self._quarantine(reading, quarantined)
            tracked = Tracker(self.bus, self.as_of).track_rows(
                reading.accepted, self.mapping, known=known
            )
            duplicates += reading.rows_accepted - tracked
            keep_of_file(self.lake, reading.accepted, source=self.mapping.source, at=self.as_of)

        held = self._unlike(path)
        tally = self._each(path, take, held=held)
        tally.held = held
        done = ingest(
            self.bus,
            self.lake,
            ingested_at=self.as_of,
            on_progress=lambda rows: self.on_progress("ingested", rows),
        )
        tabulate_sales(self.lake)
        tally.found_duplicates(duplicates + done.duplicates)
        tally.accepted -= done.quarantined.total()
        tally.refused += done.quarantined
        return tally

    def dry_run(self, path: Path) -> Tally:
        """Return what would become of the rows; nothing is changed."""
        self._check(path)
        known, duplicates = self._stored("events", "event_id"), 0

        def count(reading: Reading) -> None:
            nonlocal duplicates
            duplicates += _count_known(known, reading.accepted, self.mapping)

        held = self._unlike(path)
        tally = self._each(path, count, held=held)
        tally.held = held
        tally.found_duplicates(duplicates)
        return tally

    def _unlike(self, path: Path) -> tuple[str, ...]:
        if self.accept_unlike:
            return ()
        readings = read_file(path, self.mapping, as_of=self.as_of)
        return unlike_before(self.lake, self.mapping, readings, at=self.as_of)

    def _check(self, path: Path) -> None:
        check_file(path, self.mapping)
        has_dates = (
            self.mapping.has_dates
            if isinstance(self.mapping, LeadMapping)
            else self.mapping.date is not None
        )
        if not has_dates:
            raise MappingError(
                "an event needs a time, but the mapping has no [date] (of leads: [created]); state a "
                "column, or one day for all rows: constant = '2020-01-01'"
            )
        if self.rejects is not None and self.rejects.exists() and self.rejects.samefile(path):
            raise BadInput(
                f"{path}: expected another file for the refused rows than the one that is read"
            )

    def _each(self, path: Path, take: Callable[[Reading], None], *, held: tuple[str, ...]) -> Tally:
        tally = Tally()
        with ExitStack() as stack:
            out = None if self.rejects is None else stack.enter_context(_opened(self.rejects))
            has_header = False
            why = "; ".join(held) or None
            for reading in read_file(path, self.mapping, as_of=self.as_of, held=why):
                take(reading)
                tally.add(reading)
                if out is not None:
                    has_header = _write_rejects(reading, out, has_header=has_header)
                self.on_progress("read", reading.read)
        return tally

    def _stored(self, table: str, column: str) -> KnownIds:
        return stored_ids(self.lake, table, column, until=self.lake.version(table))

    def _quarantine(self, reading: Reading, known: KnownIds) -> None:
        rows = _quarantine_rows(reading, self.mapping.source, self.as_of)
        if not rows.num_rows:
            return
        ids = from_texts(rows["quarantine_id"].to_pylist())
        is_new = known.new(ids)
        if is_new.any():
            self.lake.append("quarantine", rows.filter(pa.array(is_new)))
            known.add(ids[is_new])


def _opened(rejects: Path) -> BufferedWriter:
    try:
        return rejects.open("wb")
    except OSError as error:
        raise BadInput(
            f"{rejects}: expected a file that refused rows can be written to: {error.strerror}"
        ) from error


def _count_known(known: KnownIds, accepted: pl.DataFrame, mapping: AnyMapping) -> int:
    events = events_of(accepted, mapping)
    ids = from_texts(events["event_id"].to_list())
    is_new = known.new(ids)
    known.add(ids[is_new])
    return (
        events["row_number"].n_unique() - events.filter(pl.Series(is_new))["row_number"].n_unique()
    )


def _quarantine_rows(reading: Reading, origin: str, at: datetime) -> pa.Table:
    rows = [
        (row.pop("reason"), row.pop("detail"), row.pop("row_number"), row)
        for row in reading.refused.iter_rows(named=True)
    ]
    texts = [
        (reason, detail, number, msgspec.json.encode(row, enc_hook=str).decode())
        for reason, detail, number, row in rows
    ]
    texts += [
        ("row_malformed", each.detail, each.row_number, each.raw) for each in reading.malformed
    ]
    return pa.Table.from_pylist(
        [
            {
                "quarantine_id": quarantine_id(origin, reason, raw),
                "reason": reason,
                "detail": detail,
                "raw": raw,
                "origin": origin,
                "row_number": number,
                "quarantined_at": at,
            }
            for reason, detail, number, raw in texts
        ],
        schema=tables.QUARANTINE,
    )


def _write_rejects(reading: Reading, out: BufferedWriter, *, has_header: bool) -> bool:
    names = dict(zip(("reason", "detail", "row_number"), REJECT_COLUMNS, strict=True))
    rows = reading.refused.rename(names)
    torn = pl.DataFrame(
        {
            "reject_reason": ["row_malformed"] * len(reading.malformed),
            "reject_detail": [f"{each.detail}: {each.raw}" for each in reading.malformed],
            "reject_row": [each.row_number for each in reading.malformed],
        },
        schema={"reject_reason": pl.String, "reject_detail": pl.String, "reject_row": pl.Int64},
    )
    together = pl.concat([rows, torn], how="diagonal") if torn.height else rows
    columns = [name for name in together.columns if name not in REJECT_COLUMNS]
    together.select(*columns, *REJECT_COLUMNS).write_csv(out, include_header=not has_header)
    return True
