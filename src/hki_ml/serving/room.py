"""The valuation room as it is served: loaded from its artifact, described for the form, and warmed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hki_ml.models.valuation.answer import (
    ComparableChoice,
    FactValue,
    InvestmentTerms,
    Valuation,
)
from hki_ml.serving.model import KnownFact

if TYPE_CHECKING:
    from hki_ml.models.valuation.appraiser import Appraiser
    from hki_ml.models.valuation.homes import Homes

MOST_CATEGORIES = 300
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ServedValuation:
    """An appraiser with what the page's form wants to know of it."""

    appraiser: Appraiser
    known_facts: tuple[KnownFact, ...]
    earliest: datetime

    @property
    def version(self) -> str:
        """The version that answers are signed with."""
        return self.appraiser.version

    @property
    def latest(self) -> datetime:
        """When the newest sale that it knows was made."""
        return self.appraiser.latest

    def answer(
        self,
        home: Mapping[str, FactValue],
        *,
        as_of: datetime,
        choice: ComparableChoice,
        terms: InvestmentTerms,
    ) -> Valuation:
        """Return what the home is worth, by sales strictly before ``as_of``.

        The market is known as of the start of the month, so the first month has no estimate either.
        """
        month = as_of.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if month <= self.earliest:
            reason = f"no sale is known before {month:%Y-%m-%d}; the first is of {self.earliest:%Y-%m-%d}"
            return Valuation(as_of, (reason,))
        return self.appraiser.answer(home, as_of=as_of, choice=choice, terms=terms)


def load_valuation(folder: Path, version: str) -> ServedValuation:
    """Return the version in the folder, verified, and warmed by valuing the last home that was sold.

    Raises
    ------
    ArtifactRefused
        If a file is missing or not what the manifest says.
    """
    from hki_ml.models.valuation import artifact
    from hki_ml.models.valuation.appraiser import Appraiser

    appraiser = Appraiser.of(artifact.load(folder), version=version)
    homes = appraiser.valuer.core.book.homes
    earliest = EPOCH + timedelta(days=int(homes.day.min()))
    served = ServedValuation(appraiser, known_facts(homes), earliest)
    choice, terms = ComparableChoice(), InvestmentTerms()
    for as_of in (served.latest, served.latest - timedelta(days=1)):
        served.answer(_last(homes), as_of=as_of, choice=choice, terms=terms)
    return served


def known_facts(homes: Homes) -> tuple[KnownFact, ...]:
    """Return the facts that at least one home has: 1st to 99th percentile, or most frequent values."""
    numbers = [
        KnownFact(name, float(np.nanquantile(values, 0.01)), float(np.nanquantile(values, 0.99)))
        for name, values in sorted(homes.numbers.items())
        if not np.isnan(values).all()
    ]
    categories = []
    for name, column in sorted(homes.categories.items()):
        counts = Counter(str(value) for value in column if value is not None)
        if counts:
            frequent = tuple(value for value, _ in counts.most_common(MOST_CATEGORIES))
            categories.append(KnownFact(name, categories=frequent))
    return (*categories, *numbers)


def _last(homes: Homes) -> dict[str, FactValue]:
    facts: dict[str, FactValue] = {
        name: float(values[-1])
        for name, values in homes.numbers.items()
        if not np.isnan(values[-1])
    }
    return facts | {name: values[-1] for name, values in homes.categories.items()}
