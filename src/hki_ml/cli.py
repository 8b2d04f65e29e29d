"""``hki``: the platform on the command line; each command parses, makes one call and prints what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Events in, decisions with their evidence out.",
)
mapping_app = typer.Typer(no_args_is_help=True, help="Mappings: which column is which field.")
app.add_typer(mapping_app, name="mapping")

FileArgument = Annotated[Path, typer.Argument(help="CSV, Parquet, Excel or JSON lines.")]
MappingOption = Annotated[
    Path, typer.Option("--mapping", "-m", help="TOML: which column is which field.")
]
RejectsOption = Annotated[
    Path | None, typer.Option(help="CSV to write refused rows to, to mend and replay.")
]


@app.command("import")
def import_file(
    file: FileArgument,
    mapping: MappingOption,
    rejects: RejectsOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen.")] = False,
) -> None:
    """Turn a file's rows into events and bring them into the lake."""
    from hki_ml.terminal import importing

    importing.import_file(file, mapping, rejects=rejects, dry_run=dry_run)


@app.command()
def replay(file: FileArgument, mapping: MappingOption, rejects: RejectsOption = None) -> None:
    """Bring in rows that an import refused, after they were mended."""
    from hki_ml.terminal import importing

    importing.replay_file(file, mapping, rejects=rejects)


@mapping_app.command()
def suggest(file: FileArgument) -> None:
    """Print a draft of a mapping for a file, with a comment wherever it guessed."""
    from hki_ml.terminal import importing

    importing.suggest_mapping(file)
