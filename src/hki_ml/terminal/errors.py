"""An error of ours becomes one message and an exit code; a traceback is only for our own mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from hki_ml.errors import HkiError, Unavailable

BAD_INPUT = 2
UNAVAILABLE = 3


@contextmanager
def one_message() -> Iterator[None]:
    """Print an error of ours to standard error and exit: 2 for bad input, 3 for a server that is away."""
    try:
        yield
    except HkiError as error:
        message = Text.assemble(("error ", "bold red"), str(error))
        Console(stderr=True, soft_wrap=True).print(message)
        code = UNAVAILABLE if isinstance(error, Unavailable) else BAD_INPUT
        raise typer.Exit(code) from None
