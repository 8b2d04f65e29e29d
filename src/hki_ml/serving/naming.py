"""Fact names between the wire (camelCase, further facts under ``extra``) and the columns (snake_case)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hki_ml.models.valuation.answer import FactValue
from hki_ml.tables import EXTRA_PREFIX


@lru_cache(maxsize=4096)
def camel(name: str) -> str:
    """Return a snake_case name as the wire writes it.

    Examples
    --------
    >>> camel("living_sqft"), camel("area")
    ('livingSqft', 'area')
    """
    head, *tail = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in tail)


def plain(value: Any) -> FactValue:
    """Return a fact as a JSON value: numpy scalars unwrapped, NaN as ``None``."""
    if value is None or isinstance(value, str | bool):
        return value
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, int | float) and not isinstance(number, bool):
        return float(number) if math.isfinite(number) else None
    return number if isinstance(number, bool) else str(number)


def to_wire(facts: Mapping[str, FactValue]) -> dict[str, Any]:
    """Return facts under their wire names; what is not known is left out.

    Examples
    --------
    >>> to_wire({"living_sqft": 900.0, "lot_sqft": None, "extra_has_lift": "yes"})
    {'livingSqft': 900.0, 'extra': {'has_lift': 'yes'}}
    """
    wire: dict[str, Any] = {}
    extra: dict[str, FactValue] = {}
    for name, given in facts.items():
        value = plain(given)
        if value is None:
            continue
        if name.startswith(EXTRA_PREFIX):
            extra[name.removeprefix(EXTRA_PREFIX)] = value
        else:
            wire[camel(name)] = bool(value) if name == "is_waterfront" else value
    if extra:
        wire["extra"] = extra
    return wire


def fact_to_wire(name: str, given: FactValue) -> FactValue:
    """Return one fact's value as the wire writes it."""
    value = plain(given)
    return bool(value) if name == "is_waterfront" and value is not None else value
