"""The units a mapping may name: each turns a number of the file into a number of ours."""

from __future__ import annotations

from hki_ml.errors import MappingError
from hki_ml.mapping.hints import closest

# Exact by definition: the international foot is 0.3048 m (NIST SP 811, appendix B.9); an acre is
# 43,560 sq ft.
SQFT_PER_M2 = 1 / 0.3048**2

FACTORS: dict[str, float] = {
    "sqft": 1.0,
    "m2": SQFT_PER_M2,
    "sqyd": 9.0,
    "acre": 43_560.0,
    "hectare": 10_000 * SQFT_PER_M2,
    "hundreds": 100.0,
    "thousands": 1_000.0,
    "millions": 1_000_000.0,
    "percent": 0.01,
}
"""Unit to factor; the product is in square feet, units or USD, as the field's name says."""

YEARS_BEFORE_EVENT = "years_before_event"
"""An age at the event, e.g. 30 years at a sale in 2016; the field then holds the year, 1986."""


def factor(unit: str | float | None) -> float:
    """Return what a number in this unit is multiplied by; a number is its own factor.

    Raises
    ------
    MappingError
        If the unit is unknown; the message names the closest one.

    Examples
    --------
    >>> round(100 * factor("m2"), 1)
    1076.4
    """
    if unit is None:
        return 1.0
    if isinstance(unit, int | float):
        if unit <= 0:
            raise MappingError(f"expected a unit factor above 0, got {unit}")
        return float(unit)
    if unit in FACTORS:
        return FACTORS[unit]
    known = (*FACTORS, YEARS_BEFORE_EVENT)
    raise MappingError(
        f"expected one of the units {', '.join(known)} or a number, got {unit!r}{closest(unit, known)}"
    )
