"""``hki``: the platform on the command line; each command parses, makes one call and prints what it says."""

from __future__ import annotations

from datetime import datetime
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

ModelArgument = Annotated[str, typer.Argument(help="A model of the catalogue, e.g. valuation.")]
UnlikeOption = Annotated[
    bool, typer.Option(help="Take the file in although it is unlike what its source sent before.")
]
DayOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]
SEATTLE = Path("mappings/seattle.toml")


@app.command("import")
def import_file(
    file: FileArgument,
    mapping: MappingOption,
    rejects: RejectsOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen.")] = False,
    accept_unlike: UnlikeOption = False,
) -> None:
    """Turn a file's rows into events and bring them into the lake."""
    from hki_ml.terminal import importing

    importing.import_file(
        file, mapping, rejects=rejects, dry_run=dry_run, accept_unlike=accept_unlike
    )


@app.command()
def replay(
    what: Annotated[str, typer.Argument(help="A file of mended rows, or the id of a prediction.")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", "-m", help="Of the file: that of the first import.")
    ] = None,
    rejects: RejectsOption = None,
    *,
    accept_unlike: UnlikeOption = False,
) -> None:
    """Bring in mended rows again, or make a prediction again and compare it byte by byte."""
    from hki_ml.terminal import importing, reproducing

    if mapping is None:
        reproducing.replay_prediction(what)
    else:
        importing.replay_file(Path(what), mapping, rejects=rejects, accept_unlike=accept_unlike)


@app.command()
def backtest(
    model: ModelArgument,
    file: FileArgument,
    mapping: MappingOption,
    cutoff: DayOption = None,
    until: DayOption = None,
    out: Annotated[Path | None, typer.Option("--json", help="JSON file for all figures.")] = None,
    seed: Annotated[int, typer.Option(help="Of training and of the intervals.")] = 0,
) -> None:
    """Train on what a file knew before a cut-off, judge on what came after."""
    from hki_ml.terminal import backtesting

    backtesting.backtest(model, file, mapping, period=(cutoff, until), out=out, seed=seed)


@app.command()
def demo(
    mapping: Annotated[Path, typer.Option(help="Mapping of the demo's sales.")] = SEATTLE,
) -> None:
    """Walk the whole path on real Seattle sales; a second time changes nothing."""
    from hki_ml.terminal import running

    running.demo(mapping)


@app.command()
def simulate(
    *,
    leads: Annotated[int, typer.Option(min=1, help="About how many in 1,095 days.")] = 20_000,
    seed: int = 0,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="First day, else 1,095 days before the end; with the same one a later end only appends.",
        ),
    ] = None,
    until: DayOption = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder to write what is really so to; never the lake.")
    ] = None,
    defect: Annotated[
        list[str] | None, typer.Option(help="leak, drift, bias, poison or self-label; repeatable.")
    ] = None,
    paths: Annotated[int, typer.Option(min=1, help="Futures of a lead behind the truth.")] = 512,
) -> None:
    """Bring a simulated market of leads and investors into the lake, about the homes that are there."""
    from hki_ml.terminal import simulating

    simulating.simulate(
        leads, seed, (since, until), truth=truth, defects=tuple(defect or ()), paths=paths
    )


@app.command()
def score(
    file: FileArgument,
    out: Annotated[Path, typer.Option(help="File to write: .parquet or .csv.")],
    model: Annotated[str, typer.Option(help="E.g. lead_scoring.")] = "lead_scoring",
    also: Annotated[
        list[str] | None, typer.Option("--with", help="What else, e.g. actions; repeatable.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a CSV that is not UTF-8.")] = None,
    *,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it ended.")] = False,
) -> None:
    """Answer a file of ids with a model, row by row as the service would; rejects beside it."""
    from hki_ml.terminal import scoring

    scoring.score(file, model, out, resume=resume, also=tuple(also or ()), encoding=encoding)


@app.command()
def ledger(model: ModelArgument) -> None:
    """Print who serves, since when and why: every promotion, refusal and roll-back."""
    from hki_ml.terminal import deciding

    deciding.ledger(model)


@app.command()
def rollback(
    model: ModelArgument,
    because: Annotated[str, typer.Option(help="Why; it stands in the ledger.")],
    to: Annotated[
        str | None, typer.Option(help="Version to go back to, else the one that served before.")
    ] = None,
) -> None:
    """Take the champion back: the version before it serves again within seconds."""
    from hki_ml.terminal import deciding

    deciding.roll_back(model, because=because, to=to)


@app.command()
def experiment(
    what: Annotated[str, typer.Argument(help="start, show, step, stage or end.")],
    model: ModelArgument,
    because: Annotated[str, typer.Option(help="Why; it stands in the ledger.")] = "by hand",
    share: Annotated[float, typer.Option(help="For stage: 0, 0.01, 0.1, 0.5 or 1.")] = 0.0,
) -> None:
    """Let the challenger answer some of the leads: begun in the shadow, grown by stages, ended on harm."""
    from hki_ml.terminal import deciding

    deciding.experiment(what, model, because=because, share=share)


@app.command()
def groups(
    file: FileArgument,
    source: Annotated[str, typer.Option(help="Who says so; it stands beside each row.")],
) -> None:
    """Keep protected groups of leads, for audits alone: a file of lead_id, attribute, group."""
    from hki_ml.terminal import auditing

    auditing.keep_groups(file, source=source)


@app.command()
def fairness() -> None:
    """Look at how the champions treat the groups that are known, write it down and print it."""
    from hki_ml.terminal import auditing

    auditing.audit()


@app.command()
def sellers(file: FileArgument) -> None:
    """Learn what sellers take from a CSV of offers: offer_usd, value_usd, fsd, accepted (yes or no)."""
    from hki_ml.terminal import learning_sellers

    learning_sellers.sellers(file)


@app.command()
def serve() -> None:
    """Serve the champion over HTTP, with a page to look at."""
    from hki_ml.terminal import running

    running.serve()


@app.command()
def platform() -> None:
    """Run it all on this machine: flows on schedule, the registry, a worker and the service."""
    from hki_ml.terminal import running

    running.platform()


@mapping_app.command()
def suggest(file: FileArgument) -> None:
    """Print a draft of a mapping for a file, with a comment wherever it guessed."""
    from hki_ml.terminal import importing

    importing.suggest_mapping(file)
