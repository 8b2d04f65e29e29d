"""``hki replay PREDICTION_ID`` as a person sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console

from hki_ml.errors import BadInput
from hki_ml.terminal.errors import one_message

DIFFERS = 1


def replay_prediction(prediction_id: str) -> None:
    """Make a prediction again, print it, and end with 1 if it is not the same to the byte."""
    from hki_ml.reproduce import Reproducer
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    console = Console(soft_wrap=True, highlight=False)
    with one_message():
        if Path(prediction_id).exists():
            raise BadInput(f"{prediction_id}: a file of mended rows is replayed with --mapping")
        made = Reproducer(connect(load_settings()), now=datetime.now(UTC)).reproduce(prediction_id)
    console.print(made.says.decode(), markup=False)
    if made.is_identical:
        console.print("identical to what was answered")
        return
    for name in made.changed_features:
        console.print(f"the feature {name} differs from what was recorded", markup=False)
    console.print(f"not identical; answered was:\n{made.said.decode()}", markup=False)
    raise typer.Exit(DIFFERS)
