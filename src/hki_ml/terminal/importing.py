"""``hki import``, ``hki replay`` and ``hki mapping suggest`` as a person sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from hki_ml.terminal.errors import one_message

if TYPE_CHECKING:
    from hki_ml.pipeline.importing import Import
    from hki_ml.pipeline.reading import Tally

STEPS = {"read": "read and published", "ingested": "ingested"}


def import_file(
    file: Path, mapping: Path, *, rejects: Path | None, dry_run: bool, accept_unlike: bool
) -> None:
    """Import the file, or say what would happen; print the table of what became of its rows."""

    def call(way_in: Import) -> Tally:
        told = replace(way_in, accept_unlike=accept_unlike)
        return (told.dry_run if dry_run else told.run)(file)

    _show(file, mapping, rejects, call)


def replay_file(file: Path, mapping: Path, *, rejects: Path | None, accept_unlike: bool) -> None:
    """Import the mended rows and print the table of what became of them."""
    from hki_ml.pipeline.replay import replay

    _show(
        file,
        mapping,
        rejects,
        lambda way_in: replay(file, replace(way_in, accept_unlike=accept_unlike)),
    )


def suggest_mapping(file: Path) -> None:
    """Print a draft of a mapping for the file."""
    from hki_ml.mapping.suggest import suggest

    with one_message():
        Console(soft_wrap=True).print(suggest(file), markup=False, highlight=False)


def _show(file: Path, mapping: Path, rejects: Path | None, call: Callable[[Import], Tally]) -> None:
    from hki_ml.mapping.files import open_rows
    from hki_ml.mapping.loading import load_mapping
    from hki_ml.pipeline.importing import Import
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    with one_message():
        backend = connect(load_settings())
        parsed = load_mapping(mapping)
        total = open_rows(file, parsed.file).total
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
            tasks = {step: progress.add_task(text, total=total) for step, text in STEPS.items()}
            tally = call(
                Import(
                    bus=backend.bus,
                    lake=backend.lake,
                    mapping=parsed,
                    as_of=datetime.now(UTC),
                    rejects=rejects,
                    on_progress=lambda step, rows: progress.advance(tasks[step], rows),
                )
            )
            for task in tasks.values():
                progress.update(task, total=progress.tasks[task].completed)
        _print(tally, rejects)


def _print(tally: Tally, rejects: Path | None) -> None:
    from hki_ml.mapping.checks import REASONS

    console = Console(soft_wrap=True)
    for warning in tally.warnings:
        console.print(Text.assemble(("warning ", "bold yellow"), warning))
    for reason in tally.held:
        console.print(Text.assemble(("held ", "bold red"), reason))
    table = Table("rows", "", "", title="what became of them", title_justify="left")
    table.add_row(f"{tally.read:,}", "read", "")
    table.add_row(f"{tally.accepted:,}", "accepted", "now in the lake")
    table.add_row(f"{tally.duplicates:,}", "duplicates", "known before, or twice in the file")
    table.add_row(f"{tally.filtered:,}", "filtered", "left out by the mapping's filters")
    for reason, count in tally.refused.most_common():
        table.add_row(f"{count:,}", reason, REASONS.get(reason, "refused at the ingest"))
    console.print(table)
    if tally.refused and rejects is not None:
        console.print(
            f"refused rows: {rejects}; mend them, then `hki replay {rejects} --mapping …`"
        )
