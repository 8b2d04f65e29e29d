"""``hki ledger`` and ``hki rollback`` as a person sees them: what serves, since when, and why."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hki_ml.terminal.errors import one_message


def ledger(model: str) -> None:
    """Print every decision about a model's champion, newest last."""
    from hki_ml.catalog import room
    from hki_ml.ledger import entries
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    console = Console(highlight=False)
    with one_message():
        room(model)
        known = entries(connect(load_settings()).lake, model)
    if not known:
        console.print(f"nothing was decided about {model} yet")
        return
    table = Table("", "when", "decision", "version", "instead of", "by", "why", box=None)
    for each in known:
        table.add_row(
            str(each.number), f"{each.at:%Y-%m-%d %H:%M}", each.decision, each.version,
            each.replaced or "none", escape(each.by), escape("; ".join(each.reasons)),
        )  # fmt: skip
    console.print(table)


def roll_back(model: str, *, because: str, to: str | None) -> None:
    """Let an earlier version serve again and say which."""
    from hki_ml.catalog import room
    from hki_ml.pipeline.ledger import roll_back as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    with one_message():
        room(model)
        settings = load_settings()
        done = run(connect(settings), model, at=datetime.now(UTC), because=because, to=to)
    Console(highlight=False).print(
        f"{model}: version {done.version} serves again instead of {done.replaced}; services take it "
        f"up within {settings.serving.reload_seconds:g} s",
        soft_wrap=True,
    )


def experiment(what: str, model: str, *, because: str, share: float) -> None:
    """Begin, look at, move on or end the experiment of a model."""
    from hki_ml.errors import BadInput
    from hki_ml.experimenting import judge, step
    from hki_ml.ledger import entries, running
    from hki_ml.pipeline import experiment as run
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    now = datetime.now(UTC)
    console = Console(highlight=False, soft_wrap=True)
    with one_message():
        if model not in run.SPLIT:
            raise BadInput(f"expected a model of {', '.join(run.SPLIT)}, got {model}")
        backend = connect(load_settings())
        if what == "start":
            run.start(backend, model, at=now, because=because)
        elif what == "stage":
            run.stage(backend, model, share, at=now, because=because)
        elif what in {"show", "step"}:
            found = (judge if what == "show" else step)(backend, model, at=now)
            console.print(f"{found.action}: {found.reason}", markup=False)
            console.print_json(data=found.evidence)
        elif what != "end":
            raise BadInput(f"expected start, show, step, stage or end, got {what!r}")
        known = running(entries(backend.lake, model))
        if what == "end" and known is not None:
            run.end(backend, known, at=now, because=because)
            known = None
    if known is None:
        console.print(f"no experiment of {model} runs")
    else:
        console.print(
            f"{known.name}: version {known.challenger} answers {known.share:.0%} of the leads, "
            f"{known.champion} the others, since {known.since:%Y-%m-%d %H:%M}"
        )
