"""Doing a job: pin, read, join, score chunk by chunk, write; begun again it goes on where it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import structlog

from hki_ml.batch import audit
from hki_ml.batch.job import MOST_ATTEMPTS, Job, JobFolder, Progress
from hki_ml.batch.joining import join
from hki_ml.batch.reading import REFUSED, open_file, read_rows, refusal
from hki_ml.batch.scorer import ENTITY, ROW, Bulk, Pinned, Scored, Scorer
from hki_ml.batch.writing import write_rejects, write_result
from hki_ml.errors import BadInput, HkiError, NotFound
from hki_ml.ports import Lake, ModelRegistry

log = structlog.get_logger()

OnProgress = Callable[[Progress], None]


class Stores(Protocol):
    """The sockets that a job uses; ``wiring.Backend`` has them."""

    @property
    def lake(self) -> Lake:
        """Where states are read and answers recorded."""
        ...

    @property
    def registry(self) -> ModelRegistry:
        """Where models are fetched."""
        ...


class Stopped(Exception):
    """The job was cancelled, or its runner was told to end."""


class Runner:
    """Does one job at a time.

    Parameters
    ----------
    stores
        The lake and the registry.
    bulks
        How each model answers files, by its name.
    clock
        The present; read once a job, when it is pinned.
    catch_up
        Brings the lake up to the bus before a job is pinned.
    goes_on
        Asked between chunks; false ends the work, and the job can be gone on with.
    """

    def __init__(
        self, stores: Stores, bulks: Mapping[str, Bulk], *, clock: Callable[[], datetime],
        catch_up: Callable[[], None] = lambda: None, goes_on: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        self._stores = stores
        self._bulks = bulks
        self._clock = clock
        self._catch_up = catch_up
        self._goes_on = goes_on

    def run(self, folder: JobFolder, on_progress: OnProgress = lambda _: None) -> Progress:
        """Do the job to its end, from wherever it is; what is wrong with it is told in its progress.

        Raises
        ------
        Conflict
            If somebody else works on it.
        """
        with folder.alone():
            before = folder.progress()
            if before.is_finished:
                return before
            work = _Work(folder, on_progress, self._goes_on)
            try:
                self._do(work, folder)
            except Stopped:
                if folder.is_cancelled:
                    work.told(state="cancelled", step="waiting", ended_at=self._clock().isoformat())
                    folder.clear()
            except (HkiError, OSError) as error:
                work.told(state="failed", detail=str(error), ended_at=self._clock().isoformat())
                log.warning("job_failed", job=folder.path.name, error=str(error))
            return work.progress

    def _do(self, work: _Work, folder: JobFolder) -> None:
        job = folder.job()
        attempts = work.progress.attempts + 1
        if attempts > MOST_ATTEMPTS:
            raise BadInput(f"the work ended {MOST_ATTEMPTS} times without getting on")
        started = work.progress.started_at or self._clock().isoformat()
        work.told(state="running", attempts=attempts, started_at=started, detail="")
        bulk = self._bulks.get(job.model)
        if bulk is None:
            known = ", ".join(self._bulks)
            raise NotFound(f"expected one of the models {known}, got {job.model!r}")
        plan = folder.plan()
        if plan is None:
            plan = self._prepare(work, folder, job, bulk)
        elif fingerprint(_source(folder, job)) != job.fingerprint:
            raise BadInput(
                f"{job.source}: expected the file that the job began with, it has changed"
            )
        folders = {
            room: (folder.file("models") / plan["folders"][room], version)
            for room, version in plan["versions"].items()
        }
        as_of = datetime.fromisoformat(plan["as_of"])
        pinned = Pinned(self._stores.lake, plan["pinned"], as_of)
        self._score(work, folder, plan, bulk.open(folders, job.also, pinned))
        self._finish(work, folder)

    def _prepare(self, work: _Work, folder: JobFolder, job: Job, bulk: Bulk) -> dict[str, Any]:
        """Read the file, pin versions and states, join; the plan is written last, so that it is whole."""
        source = _source(folder, job)
        if fingerprint(source) != job.fingerprint:
            raise BadInput(
                f"{job.source}: expected the file that the job began with, it has changed"
            )
        rows = open_file(source, job.encoding)
        work.told(step="reading", rows=rows.total, rejected={}, scored=0, chunks=0)
        read = read_rows(
            rows, bulk, folder.file("rows.parquet"), folder.file("refused.parquet"), work.reading
        )
        work.told(step="joining", rows=read.rows, rejected=read.refused)
        self._catch_up()
        as_of = self._clock()
        lake = self._stores.lake
        pinned = bulk.pin(lake)
        models = {room: self._fetch(folder, room) for room in bulk.rooms}
        known = bulk.known(lake, pinned, as_of)
        to_score, refused = join(
            folder.file("rows.parquet"), known, folder.file("asked.parquet"), folder.refused(0),
            chunk_rows=job.chunk_rows,
        )  # fmt: skip
        rejected = work.progress.plus(refused)
        plan = {
            "model": job.model, "as_of": as_of.isoformat(), "pinned": pinned,
            "versions": {room: version for room, (_, version) in models.items()},
            "folders": {room: inside for room, (inside, _) in models.items()},
            "rows": read.rows, "to_score": to_score, "rejected": rejected,
        }  # fmt: skip
        work.told(to_score=to_score, rejected=rejected)
        folder.pin(plan)
        return plan

    def _fetch(self, folder: JobFolder, room: str) -> tuple[str, str]:
        """Return the folder below ``models`` with the champion's files, and its version."""
        champion = self._stores.registry.resolve(room, "champion")
        if champion is None:
            raise NotFound(f"no {room} model serves yet: train and promote one first")
        into = folder.file("models") / room
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(parents=True)
        found = self._stores.registry.download(champion, into)
        return str(found.relative_to(folder.file("models"))), champion.version

    def _score(
        self, work: _Work, folder: JobFolder, plan: Mapping[str, Any], scorer: Scorer
    ) -> None:
        job = folder.job()
        as_of = datetime.fromisoformat(plan["as_of"])
        asked = pq.ParquetFile(folder.file("asked.parquet"))
        for chunk in range(asked.num_row_groups):
            if chunk < work.progress.chunks:  # done before; its counts stand in the progress
                continue
            work.check()
            rows = asked.read_row_group(chunk)
            said = scorer.score(rows, as_of)
            kept = rows.take(pa.array(said.kept, pa.int64()))
            table = _answers(job, as_of, kept, said)
            _write(table, folder.part(chunk))
            _write(_refused(rows, said), folder.refused(chunk + 1))
            audit.record(self._stores.lake, job.id, plan, chunk=chunk, asked=kept, said=table)
            count: dict[str, int] = {}
            for each in said.refused:
                count[each.reason] = count.get(each.reason, 0) + 1
            work.told(
                step="scoring", chunks=chunk + 1, scored=work.progress.scored + table.num_rows,
                rejected=work.progress.plus(count), attempts=0,
            )  # fmt: skip

    def _finish(self, work: _Work, folder: JobFolder) -> None:
        job = folder.job()
        work.told(step="writing")
        parts = [folder.part(chunk) for chunk in range(work.progress.chunks)]
        if parts:
            write_result(parts, folder.result, job.result, pq.read_schema(parts[0]))
        else:
            empty = pa.schema([(ROW, pa.int64()), (ENTITY, pa.string()), ("status", pa.string())])
            write_result([], folder.result, job.result, empty)
        refused = [folder.file("refused.parquet"), *sorted(folder.file("refused").iterdir())]
        write_rejects([each for each in refused if each.suffix == ".parquet"], folder.rejects)
        work.told(state="done", step="done", ended_at=self._clock().isoformat())
        folder.clear()


class _Work:
    """The progress of a job, as it is told to whoever looks."""

    def __init__(
        self, folder: JobFolder, on_progress: OnProgress, goes_on: Callable[[], bool]
    ) -> None:
        self._folder = folder
        self._on_progress = on_progress
        self._goes_on = goes_on
        self.progress = folder.progress()
        self._before = self.progress.seconds
        self._since = time.monotonic()

    def told(self, **changes: Any) -> None:
        """Note and tell what has changed."""
        seconds = round(self._before + time.monotonic() - self._since, 3)
        self.progress = replace(self.progress, seconds=seconds, **changes)
        self._folder.note(self.progress)
        self._on_progress(self.progress)

    def reading(self, rows: int) -> None:
        """Tell how many rows were read."""
        self.check()
        self._on_progress(replace(self.progress, scored=0, rows=max(rows, self.progress.rows or 0)))

    def check(self) -> None:
        """Stop if somebody asked for it."""
        if self._folder.is_cancelled or not self._goes_on():
            raise Stopped


def _answers(job: Job, as_of: datetime, kept: pa.Table, said: Scored) -> pa.Table:
    rows = kept[ROW].to_pylist()
    ids = audit.prediction_ids(job.id, as_of, rows)
    columns = {ROW: kept[ROW], ENTITY: kept[ENTITY]}
    columns |= {name: said.table[name] for name in said.table.column_names}
    columns["prediction_id"] = pa.array(ids, pa.string())
    return pa.table(columns)


def _refused(rows: pa.Table, said: Scored) -> pa.Table:
    numbers, entities = rows[ROW], rows[ENTITY]
    told = [
        refusal(numbers[each.at].as_py(), entities[each.at].as_py(), each.reason, each.detail)
        for each in said.refused
    ]
    return pa.Table.from_pylist(told, REFUSED)


def _write(table: pa.Table, out: Path) -> None:
    draft = out.with_suffix(".draft")
    pq.write_table(table, draft, compression="zstd")
    os.replace(draft, out)  # noqa: PTH105 - the atomic swap is the point


def _source(folder: JobFolder, job: Job) -> Path:
    return folder.path / job.source  # an absolute path stays as it is


def fingerprint(path: Path) -> str:
    """Return the BLAKE2b of a file.

    Raises
    ------
    BadInput
        If it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise BadInput(f"{path}: expected a file that can be read: {error.strerror}") from error
    return digest.hexdigest()
