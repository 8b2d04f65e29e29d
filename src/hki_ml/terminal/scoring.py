"""``hki score`` as a person sees it: a bar, a table of what became of the rows, an exit code."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hki_ml.errors import BadInput, Unavailable
from hki_ml.terminal.errors import one_message

if TYPE_CHECKING:
    from hki_ml.batch.job import Job, JobFolder
    from hki_ml.batch.job import Progress as Done

SOME_REJECTED = 1
STEPS = {"reading": "read", "joining": "joined with what is known", "scoring": "scored"}


def score(
    file: Path, model: str, out: Path, *, resume: bool, also: tuple[str, ...], encoding: str | None
) -> None:
    """Score the file; end with 1 if rows were rejected, with 2 or 3 if the whole could not be done."""
    from hki_ml.batch.job import JobFolder

    console = Console(soft_wrap=True, highlight=False)
    with one_message():
        result = _kind(out)
        folder = JobFolder(out.with_name(f".{out.name}.job"))
        job = _begun(folder, file, model, (result, also, encoding), resume=resume)
        done = _run(folder)
        if done.state != "done":
            raise Unavailable(done.detail) if done.state == "queued" else BadInput(done.detail)
        rejects = out.with_name(f"{out.stem}.rejects.csv")
        plan = folder.plan() or {}
        shutil.copyfile(folder.rejects, rejects)
        os.replace(folder.result, out)  # noqa: PTH105 - the atomic swap is the point
        shutil.rmtree(folder.path)
    _print(console, done, out, rejects)
    versions = ", ".join(f"{room} {version}" for room, version in plan["versions"].items())
    console.print(f"job {job.id}, as of {plan['as_of']}, by {versions}", markup=False)
    if done.rejected:
        raise typer.Exit(SOME_REJECTED)


def _kind(out: Path) -> Literal["csv", "parquet"]:
    if out.suffix == ".parquet":
        return "parquet"
    if out.suffix == ".csv":
        return "csv"
    raise BadInput(f"--out: expected a name that ends in .parquet or .csv, got {out.name!r}")


def _begun(
    folder: JobFolder, file: Path, model: str,
    wanted: tuple[Literal["csv", "parquet"], tuple[str, ...], str | None], *, resume: bool,
) -> Job:  # fmt: skip
    """Return the job: a new one, or the one that was begun with the same file."""
    from hki_ml.batch.job import Job
    from hki_ml.batch.run import fingerprint
    from hki_ml.serving.bulks import BULKS

    result, also, encoding = wanted
    if model not in BULKS:
        raise BadInput(f"--model: expected one of {', '.join(BULKS)}, got {model!r}")
    unknown = sorted(set(also) - set(BULKS[model].also))
    if unknown:
        known = ", ".join(BULKS[model].also) or "nothing"
        raise BadInput(f"--with: expected {known} with {model}, got {', '.join(unknown)}")
    job = Job(
        str(uuid4()), model, str(file.absolute()), datetime.now(UTC).isoformat(),
        fingerprint(file), result=result, also=also, encoding=encoding, name=file.name,
    )  # fmt: skip
    if not folder.file("job.json").exists():
        folder.create(job)
        return job
    if not resume:
        raise BadInput(
            f"{folder.path}: a job was begun here and has not ended: add --resume, or remove the folder"
        )
    begun = folder.job()
    same = replace(job, id=begun.id, created_at=begun.created_at, chunk_rows=begun.chunk_rows)
    if begun != same:
        raise BadInput("--resume: expected the file, model and options that the job began with")
    if folder.progress().is_finished:
        folder.note(replace(folder.progress(), state="queued", attempts=0))
    return begun


def _run(folder: JobFolder) -> Done:
    from hki_ml.batch.run import Runner
    from hki_ml.pipeline.ingest import ingest
    from hki_ml.serving.bulks import BULKS
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    backend = connect(load_settings())

    def now() -> datetime:
        return datetime.now(UTC)

    def catch_up() -> None:
        ingest(backend.bus, backend.lake, ingested_at=now())

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=None)

        def show(done: Done) -> None:
            is_scoring = done.step not in {"reading", "joining"}
            bar.update(
                task,
                description=STEPS.get(done.step, done.step),
                total=done.to_score if is_scoring else done.rows,
                completed=done.scored if is_scoring else (done.rows or 0),
            )

        return Runner(backend, BULKS, clock=now, catch_up=catch_up).run(folder, show)


def _print(console: Console, done: Done, out: Path, rejects: Path) -> None:
    from hki_ml.batch.scorer import REASONS

    table = Table("rows", "", "", title="what became of them", title_justify="left")
    table.add_row(f"{done.rows or 0:,}", "read", "")
    table.add_row(f"{done.scored:,}", "scored", str(out))
    for reason, count in done.rejected.items():
        table.add_row(f"{count:,}", reason, REASONS.get(reason, ""))
    console.print(table)
    rate = done.scored / done.seconds if done.seconds else 0.0
    console.print(f"{done.seconds:.1f} s, {rate:,.0f} rows a second")
    if done.rejected:
        console.print(f"rejected rows with their reasons: {rejects}", markup=False)
