"""``hki backtest`` as a person sees it: tables, and a file for whoever goes on with them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from hki_ml.terminal.errors import one_message

if TYPE_CHECKING:
    from hki_ml.pipeline.backtest import Backtested


def backtest(
    model: str,
    file: Path,
    mapping: Path,
    *,
    period: tuple[datetime | None, datetime | None],
    out: Path | None,
    seed: int,
) -> None:
    """Run the backtest, print its tables and write them to ``out``."""
    from hki_ml.mapping.deals import load_deal_mapping
    from hki_ml.mapping.loading import load_mapping
    from hki_ml.pipeline.backtest import Question
    from hki_ml.pipeline.backtest import backtest as run
    from hki_ml.settings import load_settings

    with one_message():
        cutoff, until = (None if day is None else day.replace(tzinfo=UTC) for day in period)
        question = Question(cutoff, until, datetime.now(UTC), seed, load_settings().threads)
        with Console(stderr=True).status("reading, training, judging: minutes on a large file"):
            said = load_deal_mapping(mapping) or load_mapping(mapping)
            found = run(model, file, said, question)
        _print(found)
        if out is not None:
            out.write_text(json.dumps(found.as_json(), indent=1, sort_keys=True) + "\n")


def _print(found: Backtested) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for warning in found.tally.warnings:
        console.print(f"[bold yellow]warning[/] {escape(warning)}")
    rows = found.tally
    refused = ", ".join(f"{count:,} {reason}" for reason, count in rows.refused.most_common())
    console.print(
        f"{rows.read:,} rows read, {rows.accepted:,} accepted, {rows.duplicates:,} duplicates, "
        f"{rows.filtered:,} filtered, {rows.refused.total():,} refused{': ' if refused else ''}{refused}"
    )
    if found.is_random_split:
        console.print(
            "[bold yellow]warning[/] the file has no dates: the split is random, and its figures flatter"
        )
    else:
        until = "" if found.until is None else f" and before {found.until:%Y-%m-%d}"
        console.print(f"trained before {found.cutoff:%Y-%m-%d}, judged from then on{until}")
    console.print()
    console.print(str(found.report), markup=False)
