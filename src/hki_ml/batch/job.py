"""A job in its folder: what was asked, how far it is, who works on it; every note is written whole or not."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hki_ml.errors import BadInput, Conflict, NotFound

State = Literal["queued", "running", "done", "failed", "cancelled"]
Format = Literal["parquet", "csv"]
FINISHED: tuple[State, ...] = ("done", "failed", "cancelled")
CHUNK_ROWS = 20_000
MOST_ATTEMPTS = 3  # a job that ends its process this often without a chunk done is not tried again


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked; never changes.

    Attributes
    ----------
    source
        The file of rows: a name inside the folder, or an absolute path.
    fingerprint
        BLAKE2b of the file: a resumed job reads what it was begun with, or not at all.
    also
        What the answers hold beyond the usual, e.g. ``"actions"``.
    """

    id: str
    model: str
    source: str
    created_at: str
    fingerprint: str
    result: Format = "parquet"
    also: tuple[str, ...] = ()
    encoding: str | None = None
    name: str = ""
    chunk_rows: int = CHUNK_ROWS


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is.

    Attributes
    ----------
    step
        ``reading``, ``joining``, ``scoring`` or ``writing``.
    rows
        Rows of the file, once they are counted; ``None`` before.
    to_score, chunks
        Rows that are left after reading and joining, and chunks of them that are done.
    rejected
        Reason to number of rows.
    attempts
        Starts since a chunk was last done.
    """

    state: State = "queued"
    step: str = "waiting"
    rows: int | None = None
    to_score: int | None = None
    scored: int = 0
    chunks: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)
    attempts: int = 0
    seconds: float = 0.0
    started_at: str | None = None
    ended_at: str | None = None
    detail: str = ""

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state in FINISHED

    def plus(self, rejected: Mapping[str, int]) -> dict[str, int]:
        """Return the rejected with more of them, in order of their reasons."""
        both = dict(self.rejected)
        for reason, count in rejected.items():
            both[reason] = both.get(reason, 0) + count
        return dict(sorted(both.items()))


class JobFolder:
    """One job's files below ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        """Return the place of a file of the job."""
        return self.path / name

    def part(self, chunk: int) -> Path:
        """Return the place of the answers of a chunk."""
        return self.path / "parts" / f"{chunk:06d}.parquet"

    def refused(self, chunk: int) -> Path:
        """Return the place of the rows of a chunk that got no answer."""
        return self.path / "refused" / f"{chunk:06d}.parquet"

    @property
    def result(self) -> Path:
        """The place of the finished answers."""
        return self.path / f"result.{self.job().result}"

    @property
    def rejects(self) -> Path:
        """The place of the rows that got no answer, as CSV."""
        return self.path / "rejects.csv"

    def create(self, job: Job) -> None:
        """Write what was asked.

        Raises
        ------
        Conflict
            If there is a job already.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self.file("job.json").exists():
            raise Conflict(f"{self.path}: expected no job yet, there is one")
        for name in ("parts", "refused"):
            self.file(name).mkdir(exist_ok=True)
        self.note(Progress())
        write_json(self.file("job.json"), asdict(job))

    def job(self) -> Job:
        """Return what was asked.

        Raises
        ------
        NotFound
            If there is no job here.
        """
        told = read_json(self.file("job.json"))
        if told is None:
            raise NotFound(f"expected a job in {self.path}, found none")
        return Job(**{**told, "also": tuple(told["also"])})

    def progress(self) -> Progress:
        """Return how far it is."""
        told = read_json(self.file("progress.json"))
        return Progress() if told is None else Progress(**told)

    def note(self, progress: Progress) -> Progress:
        """Write how far it is, and return it."""
        write_json(self.file("progress.json"), asdict(progress))
        return progress

    def plan(self) -> dict[str, Any] | None:
        """Return what the job was pinned to at its start, ``None`` before."""
        return read_json(self.file("plan.json"))

    def pin(self, plan: Mapping[str, Any]) -> None:
        """Write what the job is pinned to."""
        write_json(self.file("plan.json"), plan)

    def cancel(self) -> None:
        """Let who works on it stop after the present chunk; a job that waits is cancelled at once."""
        self.file("cancel").touch()
        with contextlib.suppress(Conflict), self.alone():
            progress = self.progress()
            if not progress.is_finished:
                ended = datetime.now(UTC).isoformat()
                self.note(replace(progress, state="cancelled", step="waiting", ended_at=ended))
                self.clear()

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked for it to stop."""
        return self.file("cancel").exists()

    def clear(self) -> None:
        """Remove what only the work needed."""
        for name in ("parts", "refused", "models", "spill"):
            shutil.rmtree(self.file(name), ignore_errors=True)
        for name in ("rows.parquet", "asked.parquet", "refused.parquet"):
            self.file(name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the job: nobody else can while the body runs, and a killed process lets go of it.

        Raises
        ------
        Conflict
            If somebody else works on it.
        """
        with held(self.file("lock"), f"{self.path.name}: somebody else works on this job"):
            yield


@contextlib.contextmanager
def held(lock: Path, why_not: str) -> Iterator[None]:
    """Hold a lock of the operating system, which a killed process loses.

    Raises
    ------
    Conflict
        If another holds it.
    """
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(why_not) from error
        yield


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a note so that a reader finds the old one or the new one, whatever happens."""
    draft = path.with_suffix(f".{os.getpid()}.draft")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)  # noqa: PTH105 - the atomic swap is the point


def read_json(path: Path) -> dict[str, Any] | None:
    """Return a note, ``None`` if it was never written."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise BadInput(f"{path}: expected a note in JSON, it is damaged") from error
    return content


def moment_of(text: str) -> datetime:
    """Return a moment that was written as ISO 8601 with a zone."""
    return datetime.fromisoformat(text)
