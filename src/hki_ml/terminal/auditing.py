"""``hki groups`` and ``hki fairness`` as a person sees them: who is known to be whom, and how they fare."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hki_ml.terminal.errors import one_message


def keep_groups(file: Path, *, source: str) -> None:
    """Keep the groups that a file tells and say how many were news."""
    from hki_ml.pipeline.groups import keep, read_groups
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    with one_message():
        rows = read_groups(file)
        done = keep(connect(load_settings()).lake, rows, source=source, at=datetime.now(UTC))
    Console(highlight=False).print(
        f"{done.new:,} kept, {done.known:,} known before; seen by audits, the bar against proxies and "
        "the gate of promotion, by no model",
        soft_wrap=True,
    )


def audit() -> None:
    """Print how each champion treats each group that is known; incidents are told as by the flow."""
    from hki_ml.pipeline.fairness import audit as run
    from hki_ml.pipeline.incidents import tell
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    now = datetime.now(UTC)
    with one_message():
        settings = load_settings()
        done = run(connect(settings), now=now)
        tell(settings, done.incidents, now=now)
    console = Console(highlight=False)
    table = Table("model", "version", "what", "value", "95 %", "n", "", box=None)
    for one in done.audits:
        for check in one.checks:
            value = "unknown" if check.value is None else f"{check.value:.3f}"
            span = "" if check.lower is None else f"{check.lower:.3f} to {check.upper:.3f}"
            why = "ALARM" if check.alarm else str(check.detail.get("unknown", ""))
            what = escape(check.subject)
            table.add_row(one.model, one.version, what, value, span, str(check.n), escape(why))
        if not one.checks:
            table.add_row(one.model, one.version or "none", one.said, "", "", "", "")
    console.print(table)
