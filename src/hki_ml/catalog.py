"""The rooms, one line each."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from hki_ml.errors import NotFound
from hki_ml.models.model import Model

ROOMS: tuple[str, ...] = (
    "valuation",
    "lead_scoring",
    "conversion",
    "time_to_close",
    "investor_matching",
    "risk",
)


def room(name: str) -> Model:
    """Return a room by its name.

    Raises
    ------
    NotFound
        If there is no such room; the message lists those there are.
    """
    if name not in ROOMS:
        raise NotFound(f"expected one of the models {', '.join(ROOMS)}, got {name!r}")
    return cast(Model, import_module(f"hki_ml.models.{name}.room"))
