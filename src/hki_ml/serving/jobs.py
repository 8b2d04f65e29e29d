"""``POST /api/v1/ml/batch`` and ``/ml/jobs``: files of questions, answered beside the service."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs
from uuid import uuid4

from pydantic import Field

from hki_ml.batch.job import Job, JobFolder, Progress
from hki_ml.batch.run import fingerprint
from hki_ml.errors import Unavailable
from hki_ml.serving.asked import Closed, Identifier, iso, validated
from hki_ml.serving.exchange import JSON, Request, Response, encode, success
from hki_ml.serving.problem import Problem, ProblemError, invalid
from hki_ml.serving.value_property import utc_now

CSV, PARQUET = "text/csv", "application/vnd.apache.parquet"
MEDIA = {CSV: "csv", PARQUET: "parquet", "application/x-parquet": "parquet"}
MOST_BYTES = 33_554_432  # a million ids of 32 bytes
MOST_IDS = 10_000  # more than that are sent as a file: they cost no thread of ours
MOST_WAITING = 20
KEPT_DAYS = 7
LISTED = 100
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[^\w. -]")


class BatchBody(Closed):
    """Ids to be answered by a model, in the order in which they are to come back."""

    model: str = Field(max_length=60, description="as in /ml/models")
    ids: list[Identifier] = Field(
        min_length=1, max_length=MOST_IDS, description="of leads, or of homes for valuation"
    )
    result: Literal["csv", "parquet"] = Field("csv", description="kind of file that is made")
    also: list[str] = Field([], max_length=5, description="what else, e.g. actions")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a file."""

    model: str
    result: Literal["csv", "parquet"]
    also: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Jobs:
    """The handler of everything about jobs.

    Parameters
    ----------
    folder
        Where jobs lie, a folder each; shared by all services on one home.
    models
        Which model answers files, and what its answers may hold beyond the usual.
    wake
        Called when there is work.
    """

    folder: Path
    models: Mapping[str, tuple[str, ...]]
    wake: Callable[[], None]
    clock: Callable[[], datetime] = utc_now
    _ended: set[str] = field(default_factory=set)

    async def create(self, request: Request) -> Response:
        """Take a job in: a JSON body of ids, or a CSV or Parquet file as the body itself."""
        if request.media_type == JSON:
            body = validated(BatchBody, request.body)
            wanted = Wanted(body.model, body.result, tuple(body.also), "ids")
            content = ("id\n" + "\n".join(map(_quoted, body.ids)) + "\n").encode()
            kind = "csv"
        elif request.media_type in MEDIA:
            wanted, content, kind = _asked(request.query), request.body, MEDIA[request.media_type]
            if not content:
                raise invalid("", "expected a file, the body is empty")
        else:
            got = request.media_type[:80] or "none"
            raise ProblemError(
                Problem("media-type", f"expected {JSON}, {CSV} or {PARQUET}, got {got}")
            )
        self._check(wanted)
        folder = await asyncio.to_thread(self._take, wanted, content, kind)
        self.wake()
        told = await asyncio.to_thread(self._told, folder)
        response = Response(202, encode({"success": True, "data": told}))
        return response.with_headers(("location", f"/api/v1/ml/jobs/{folder.path.name}"))

    async def all(self, _: Request) -> Response:
        """Return the latest jobs, newest first."""
        folders = await asyncio.to_thread(self.folders)
        told = [await asyncio.to_thread(self._told, each) for each in folders[::-1][:LISTED]]
        models = [{"name": name, "also": list(also)} for name, also in self.models.items()]
        return success({"jobs": told, "models": models})

    async def one(self, request: Request, job_id: str) -> Response:
        """Return how far a job is; ``DELETE`` cancels it, and removes one that has ended."""
        folder = self._find(job_id)
        if request.method == "DELETE":
            told = await asyncio.to_thread(self._end, folder)
            return success(told)
        return success(await asyncio.to_thread(self._told, folder))

    async def result(self, _: Request, job_id: str) -> Response:
        """Return the finished file."""
        folder = self._find(job_id)
        job = folder.job()
        kind = f"{CSV}; charset=utf-8" if job.result == "csv" else PARQUET
        return self._file(folder, folder.result, kind, f"{job.model}.{job.result}")

    async def rejects(self, _: Request, job_id: str) -> Response:
        """Return the rows that got no answer, with their reasons, as CSV."""
        folder = self._find(job_id)
        return self._file(folder, folder.rejects, f"{CSV}; charset=utf-8", "rejects.csv")

    def folders(self) -> list[JobFolder]:
        """Return the jobs in the order in which they came."""
        if not self.folder.is_dir():
            return []
        found = [
            JobFolder(each)
            for each in self.folder.iterdir()
            if _ID.fullmatch(each.name) and (each / "job.json").exists()
        ]
        return sorted(found, key=lambda each: (each.file("job.json").stat().st_mtime_ns, each.path))

    def unfinished(self) -> list[JobFolder]:
        """Return the jobs that have not ended, in the order in which they came."""
        left = []
        for folder in self.folders():
            if folder.path.name in self._ended:
                continue
            if folder.progress().is_finished:
                self._ended.add(folder.path.name)
            else:
                left.append(folder)
        return left

    def _check(self, wanted: Wanted) -> None:
        if wanted.model not in self.models:
            raise invalid("/model", f"expected one of {', '.join(self.models)}")
        known = self.models[wanted.model]
        if set(wanted.also) - set(known):
            raise invalid("/also", f"expected {', '.join(known) or 'nothing'} with {wanted.model}")

    def _take(self, wanted: Wanted, content: bytes, kind: str) -> JobFolder:
        """Write the job; it is there once its note is."""
        if len(self.unfinished()) >= MOST_WAITING:
            raise ProblemError(
                Problem(
                    "too-many", f"{MOST_WAITING} jobs are waiting", headers=(("retry-after", "60"),)
                )
            )
        self._forget_old()
        folder = JobFolder(self.folder / str(uuid4()))
        try:
            folder.path.mkdir(parents=True)
            source = folder.file(f"input.{kind}")
            source.write_bytes(content)
            job = Job(
                folder.path.name, wanted.model, source.name, iso(self.clock()), fingerprint(source),
                result=wanted.result, also=wanted.also, name=wanted.name,
            )  # fmt: skip
            folder.create(job)
        except OSError as error:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise Unavailable("the folder of jobs cannot be written") from error
        return folder

    def _forget_old(self) -> None:
        """Remove jobs that ended long ago."""
        before = self.clock() - timedelta(days=KEPT_DAYS)
        for folder in self.folders():
            progress = folder.progress()
            ended = progress.ended_at
            if progress.is_finished and ended and datetime.fromisoformat(ended) < before:
                shutil.rmtree(folder.path, ignore_errors=True)

    def _end(self, folder: JobFolder) -> dict[str, Any]:
        if folder.progress().is_finished:
            told = self._told(folder)
            shutil.rmtree(folder.path, ignore_errors=True)
            return told
        folder.cancel()
        return self._told(folder)

    def _find(self, job_id: str) -> JobFolder:
        folder = JobFolder(self.folder / job_id)
        if not _ID.fullmatch(job_id) or not folder.file("job.json").exists():
            raise ProblemError(Problem("not-found", "no job of that id is known"))
        return folder

    def _file(self, folder: JobFolder, path: Path, kind: str, name: str) -> Response:
        state = folder.progress().state
        if state != "done":
            raise ProblemError(Problem("not-ready", f"the job is {state}"))
        saved = f'attachment; filename="{name}"'
        return Response(200, b"", kind, (("content-disposition", saved),), file=path)

    def _told(self, folder: JobFolder) -> dict[str, Any]:
        return told(folder, str(self.folder))


def told(folder: JobFolder, root: str) -> dict[str, Any]:
    """Return a job as the wire tells it; of the machine's folders nothing."""
    job, progress, plan = folder.job(), folder.progress(), folder.plan()
    where = f"/api/v1/ml/jobs/{job.id}"
    is_done = progress.state == "done"
    return {
        "jobId": job.id,
        "model": job.model,
        "name": job.name,
        "state": "cancelling"
        if folder.is_cancelled and not progress.is_finished
        else progress.state,
        "step": progress.step,
        "rows": progress.rows,
        "toScore": progress.to_score,
        "scored": progress.scored,
        "rejected": dict(progress.rejected),
        "createdAt": job.created_at,
        "startedAt": _iso(progress.started_at),
        "endedAt": _iso(progress.ended_at),
        "seconds": progress.seconds,
        "secondsLeft": _left(progress),
        "asOf": None if plan is None else _iso(plan["as_of"]),
        "modelVersions": {} if plan is None else plan["versions"],
        "detail": progress.detail.replace(f"{root}/{job.id}/", "").replace(root, "") or None,
        "resultUrl": f"{where}/result" if is_done else None,
        "rejectsUrl": f"{where}/rejects" if is_done else None,
    }


def _left(progress: Progress) -> float | None:
    """Return how long it still takes at the pace so far."""
    if progress.state != "running" or not progress.scored or progress.to_score is None:
        return None
    return round(progress.seconds / progress.scored * (progress.to_score - progress.scored), 1)


def _iso(text: str | None) -> str | None:
    return None if text is None else iso(datetime.fromisoformat(text).astimezone(UTC))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _asked(query: str) -> Wanted:
    try:
        asked = parse_qs(query, max_num_fields=20, errors="strict")
    except (ValueError, UnicodeError) as error:
        raise invalid("/query", "expected a form-encoded query in UTF-8") from error
    unknown = sorted(set(asked) - {"model", "result", "also", "name"})
    if unknown:
        raise invalid(
            f"/{unknown[0][:60]}", "unknown parameter; expected model, result, also, name"
        )
    result = asked.get("result", ["csv"])[-1]
    if result not in ("csv", "parquet"):
        raise invalid("/result", "expected csv or parquet")
    name = _NAME.sub("_", asked.get("name", ["file"])[-1])[:100]
    model = asked.get("model", [""])[-1]
    kind: Literal["csv", "parquet"] = "csv" if result == "csv" else "parquet"
    return Wanted(model, kind, tuple(asked.get("also", [])), name)
