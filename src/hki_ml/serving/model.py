"""What a room must be able to do so that it can be served, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from hki_ml.models.valuation.answer import (
    ComparableChoice,
    FactValue,
    InvestmentTerms,
    KnownFact,
    Valuation,
)


class ValuationModel(Protocol):
    """A loaded version of the valuation room; safe to call from one thread at a time."""

    @property
    def version(self) -> str:
        """The version that answers are signed with."""
        ...

    @property
    def latest(self) -> datetime:
        """When the newest sale that it knows was made."""
        ...

    @property
    def known_facts(self) -> tuple[KnownFact, ...]:
        """The facts that it looks at."""
        ...

    def answer(
        self,
        home: Mapping[str, FactValue],
        *,
        as_of: datetime,
        choice: ComparableChoice,
        terms: InvestmentTerms,
    ) -> Valuation:
        """Return what the home is worth, by sales strictly before ``as_of``."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """One home to be valued; ``as_of`` of ``None`` means: as late as the model can say."""

    home: Mapping[str, FactValue]
    asked_at: datetime
    as_of: datetime | None = None
    choice: ComparableChoice = field(default_factory=ComparableChoice)
    terms: InvestmentTerms = field(default_factory=InvestmentTerms)
