"""A deliberately simple valuation for the tests of the doors: weighted comparables, nothing more.

It satisfies ``hki_ml.serving.model.ValuationModel`` with real arithmetic on real sales, so that the doors
can be tested without training the room. It is test code and never served to anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from hki_ml.errors import ArtifactRefused
from hki_ml.models.valuation.answer import (
    Adjustment,
    Comparable,
    ComparableChoice,
    Driver,
    FactValue,
    Interval,
    Investment,
    InvestmentTerms,
    KnownFact,
    Valuation,
)

RATES = {"living_sqft": 120.0, "quality_grade": 38_000.0, "bathrooms": 9_000.0, "year_built": 350.0}
SHOWN = [
    "area",
    "property_type",
    "latitude",
    "longitude",
    *RATES,
    "lot_sqft",
    "bedrooms",
    "is_waterfront",
]


@dataclass(frozen=True)
class ComparablesModel:
    version: str
    sales: pd.DataFrame

    @property
    def latest(self) -> datetime:
        return self.sales["sold_at"].iloc[-1].to_pydatetime()

    @property
    def known_facts(self) -> tuple[KnownFact, ...]:
        numbers = [
            "latitude",
            "longitude",
            "living_sqft",
            "lot_sqft",
            "bedrooms",
            "bathrooms",
            "stories",
            "year_built",
            "quality_grade",
            "condition_grade",
            "is_waterfront",
        ]
        ranges = self.sales[numbers].quantile([0.01, 0.99])
        known = [KnownFact(n, float(ranges[n].iloc[0]), float(ranges[n].iloc[1])) for n in numbers]
        areas = tuple(self.sales["area"].value_counts().index[:200])
        return (KnownFact("area", categories=areas), *known)

    def answer(
        self,
        home: Mapping[str, FactValue],
        *,
        as_of: datetime,
        choice: ComparableChoice,
        terms: InvestmentTerms,
    ) -> Valuation:
        if (
            home.get("living_sqft") is None
            or home.get("latitude") is None
            or home.get("longitude") is None
        ):
            return Valuation(
                as_of, ("living area and coordinates are needed to find comparable sales",)
            )
        upto = self.sales["sold_at"].searchsorted(pd.Timestamp(as_of), side="left")
        earlier = self.sales.iloc[max(0, upto - 6000) : upto]
        sales = self._near(earlier, home, as_of, choice)
        if len(sales) < 3:
            return Valuation(as_of, (f"only {len(sales)} comparable sales, at least 3 are needed",))
        comparables = tuple(_comparable(row, home, choice) for row in sales.to_dict("records"))
        adjusted = np.array([c.adjusted_price_usd for c in comparables])
        value = float(np.average(adjusted, weights=[c.weight for c in comparables]))
        spread = max(0.04, float(np.std(adjusted) / value))
        typical = float(earlier["price_usd"].median())
        return Valuation(
            as_of=as_of,
            estimated_value_usd=value,
            intervals={
                name: Interval(value * (1 - z * spread), value * (1 + z * spread))
                for name, z in (("p68", 1.0), ("p80", 1.28), ("p95", 1.96))
            },
            fsd=spread,
            confidence=max(0.0, 1 - 2 * spread),
            comparables=comparables,
            typical_value_usd=typical,
            drivers=_drivers(home, earlier, value - typical),
            investment=_deal(value, spread, terms),
        )

    def _near(
        self,
        sales: pd.DataFrame,
        home: Mapping[str, FactValue],
        as_of: datetime,
        choice: ComparableChoice,
    ) -> pd.DataFrame:
        north = (sales["latitude"] - home["latitude"]) * 111.2
        east = (
            (sales["longitude"] - home["longitude"]) * 111.2 * np.cos(np.radians(home["latitude"]))
        )
        near = sales.assign(
            distance_km=np.hypot(north, east),
            months_ago=(pd.Timestamp(as_of) - sales["sold_at"]).dt.days / 30.44,
        )
        size = np.log(near["living_sqft"] / home["living_sqft"]).abs()
        near["similarity"] = np.exp(-near["distance_km"] / 3 - size * 2 - near["months_ago"] / 24)
        pinned = near["sale_id"].isin(choice.pin)
        fits = ~near["sale_id"].isin(choice.exclude)
        fits &= near["distance_km"] <= (choice.radius_km or 10)
        fits &= near["months_ago"] <= (choice.months or 24)
        near["rank"] = near["similarity"] + pinned * 10
        best = near[fits | pinned].nlargest(choice.count, "rank")
        return best.assign(weight=best["similarity"] / best["similarity"].sum())


def _comparable(row: dict, home: Mapping[str, FactValue], choice: ComparableChoice) -> Comparable:
    lines = tuple(
        Adjustment(name, (float(home[name]) - row[name]) * rate, home[name], row[name])
        for name, rate in RATES.items()
        if home.get(name) is not None
    )
    return Comparable(
        sale_id=row["sale_id"],
        property_id=row["property_id"],
        sold_at=row["sold_at"].to_pydatetime(),
        price_usd=row["price_usd"],
        adjusted_price_usd=row["price_usd"] + sum(line.amount_usd for line in lines),
        adjustments=lines,
        distance_km=row["distance_km"],
        months_ago=row["months_ago"],
        similarity=row["similarity"],
        weight=row["weight"],
        pinned=row["sale_id"] in choice.pin,
        facts={name: row[name] for name in SHOWN},
    )


def _drivers(
    home: Mapping[str, FactValue], sales: pd.DataFrame, total: float
) -> tuple[Driver, ...]:
    typical = sales[list(RATES)].median()
    drivers = [
        Driver(
            name,
            (float(home[name]) - typical[name]) * rate,
            {name: home[name]},
            {name: typical[name]},
        )
        for name, rate in RATES.items()
        if home.get(name) is not None
    ]
    rest = total - sum(d.amount_usd for d in drivers)
    where = {"area": home.get("area")}
    return (*drivers, Driver("location", rest, where, {"area": None}))


def _deal(value: float, spread: float, terms: InvestmentTerms) -> Investment:
    sold = np.random.default_rng(7).normal(value * 1.04, value * spread, 2000)
    keep = 1 - terms.selling_cost_rate - terms.target_margin_rate
    carry = 1 + terms.holding_cost_rate * terms.holding_months
    offer = max(0.0, (value * 1.04 * keep - terms.rehab_cost_usd) / carry)
    profit = sold * (1 - terms.selling_cost_rate) - terms.rehab_cost_usd - offer * carry
    low, high = np.quantile(sold, [0.1, 0.9])
    return Investment(
        value * 1.04,
        Interval(low, high),
        offer,
        float((profit < 0).mean()),
        float(profit.mean()),
        1.0,
        0.0,
        value * 0.04,
        len(sold),
        terms,
    )


def load(folder: Path, version: str) -> ComparablesModel:
    file = folder / "sales.parquet"
    if not file.exists():
        raise ArtifactRefused(
            f"expected sales.parquet, got {sorted(p.name for p in folder.iterdir())}"
        )
    return ComparablesModel(version, pd.read_parquet(file))
