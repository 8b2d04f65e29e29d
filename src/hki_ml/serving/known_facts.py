"""What a model looks at: facts that it cannot use are passed over, and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hki_ml.models.valuation.answer import FactValue
from hki_ml.serving.model import KnownFact

UNKNOWN = "the model does not look at it"
NO_NUMBER = "expected a number"
NO_TEXT = "expected text"


def split(
    home: Mapping[str, FactValue], known: Sequence[KnownFact]
) -> tuple[dict[str, FactValue], dict[str, str]]:
    """Return the facts that the model can use, and why each of the others is passed over.

    Examples
    --------
    >>> split({"area": "6", "extra_lift": "yes", "lot_sqft": None}, [KnownFact("area", categories=("6",))])
    ({'area': '6', 'lot_sqft': None}, {'extra_lift': 'the model does not look at it'})
    """
    facts = {fact.name: fact for fact in known}
    used: dict[str, FactValue] = {}
    passed_over: dict[str, str] = {}
    for name, value in home.items():
        reason = None if value is None else _against(facts.get(name), value)
        if reason is None:
            used[name] = value
        else:
            passed_over[name] = reason
    return used, passed_over


def _against(fact: KnownFact | None, value: FactValue) -> str | None:
    if fact is None:
        return UNKNOWN
    is_text = isinstance(value, str)
    if fact.low is not None and is_text:
        return NO_NUMBER
    return NO_TEXT if fact.categories and not is_text else None
