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
    from hki_ml.pipeline.ledger import entries
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    console = Console(highlight=False)
    with one_message():
        room(model)
        known = entries(connect(load_settings()), model)
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
