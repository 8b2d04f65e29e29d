"""Whom to call with the minutes that there are: by what a call is expected to bring, not by the score.

A lead that closes anyway, or never will, is worth no call however high or low it scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hki_ml.errors import BadInput

FloatArray = NDArray[np.float64]
MOST_CALLERS, MOST_MINUTES = 500, 24 * 60.0


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What calls cost and bring.

    Attributes
    ----------
    callers, minutes
        How many people call, and for how many minutes each.
    minutes_per_call
        Of one call, with what is written down after it.
    cost_per_minute_usd
        Of a caller.
    profit_rate
        Profit of a deal that closes, as a share of the home's value; of its asking price where the value is
        not known, and of ``usual_value_usd`` where neither is.
    """

    callers: int = 1
    minutes: float = 240.0
    minutes_per_call: float = 12.0
    cost_per_minute_usd: float = 0.75
    profit_rate: float = 0.05
    usual_value_usd: float = 300_000.0

    def check(self) -> None:
        """Refuse terms that mean nothing.

        Raises
        ------
        BadInput
            With the field, what was expected and what came.
        """
        limits = {
            "callers": (1, MOST_CALLERS), "minutes": (1.0, MOST_MINUTES),
            "minutes_per_call": (0.5, 240.0), "cost_per_minute_usd": (0.0, 100.0),
            "profit_rate": (0.0001, 1.0), "usual_value_usd": (1.0, 1e10),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise BadInput(f"{name}: expected {low:g} to {high:g}, got {value:g}")

    @property
    def calls_per_caller(self) -> int:
        """How many calls one caller can make."""
        return int(self.minutes // self.minutes_per_call)

    @property
    def cost_usd(self) -> float:
        """What one call costs."""
        return self.minutes_per_call * self.cost_per_minute_usd


@dataclass(frozen=True, slots=True)
class Call:
    """One call: whose turn it is, when, and what it is expected to bring."""

    lead: int
    caller: int
    after_minutes: float
    gain_probability: float
    expected_profit_usd: float


@dataclass(frozen=True, slots=True)
class CallList:
    """Calls in order of what they bring; rows that would be worth one but found no time, and the others.

    ``lead`` and the two arrays are row numbers of what was asked about.
    """

    calls: tuple[Call, ...]
    no_time: NDArray[np.int64]
    not_worth: NDArray[np.int64]
    expected_profit_usd: FloatArray


def call_list(gain: FloatArray, value_usd: FloatArray, terms: CallTerms) -> CallList:
    """Return whom to call, the most profitable first, spread over the callers.

    Parameters
    ----------
    gain
        By how much a call changes P(the lead closes), shape ``(n,)``.
    value_usd
        What the home is worth, shape ``(n,)``; NaN where unknown.

    Raises
    ------
    BadInput
        If the terms mean nothing.
    """
    terms.check()
    worth = np.where(np.isfinite(value_usd), value_usd, terms.usual_value_usd)
    profit = gain * worth * terms.profit_rate - terms.cost_usd
    order = np.argsort(-profit, kind="stable")
    worthy = order[profit[order] > 0]
    room = terms.callers * terms.calls_per_caller
    calls = tuple(
        Call(
            int(lead), place % terms.callers, (place // terms.callers) * terms.minutes_per_call,
            float(gain[lead]), float(profit[lead]),
        )
        for place, lead in enumerate(worthy[:room])
    )  # fmt: skip
    return CallList(calls, worthy[room:], order[profit[order] <= 0], profit)


def why_not(gain: float, value_usd: float, terms: CallTerms) -> str:
    """Return why a lead is worth no call, in one sentence."""
    if gain <= 0:
        return "a call is not expected to make a close more likely"
    worth = value_usd if np.isfinite(value_usd) else terms.usual_value_usd
    brings = gain * worth * terms.profit_rate
    return (
        f"a call adds {100 * gain:.2f} points to its chance, worth ${brings:,.0f}, "
        f"and costs ${terms.cost_usd:,.0f}"
    )
