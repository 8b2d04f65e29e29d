"""Print the valuation figures of the four benchmark cities, and keep them as JSON.

Usage: python benchmarks/valuation_figures.py [--city seattle|king_county|singapore|new_york] [--json OUT]

Reads the public data sets under HKI_REAL_DATA (default: ../shared/data).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from hki_ml.models.valuation.evaluate import Backtest, Terms, backtest

DATA = Path(os.environ.get("HKI_REAL_DATA", "../shared/data"))
SQUARE_FEET = 10.7639  # a square metre


def numbers(frame: pd.DataFrame, names: dict[str, str]) -> dict[str, pd.Series]:
    """Return columns under their canonical names as floats."""
    return {ours: frame[theirs].astype("float64") for ours, theirs in names.items()}


def ids(frame: pd.DataFrame) -> pd.Series:
    """Return one id a row for files that have none."""
    return pd.Series(np.arange(len(frame)).astype(str), index=frame.index)


def seattle() -> pd.DataFrame:
    """Read Seattle 2010 to 2016."""
    d = pd.read_parquet(DATA / "seattle_repeat_sales/seattle_sales.parquet")
    same = {
        "price_usd": "sale_price", "latitude": "latitude", "longitude": "longitude",
        "living_sqft": "tot_sf", "lot_sqft": "lot_sf", "bedrooms": "beds", "bathrooms": "baths",
        "quality_grade": "bldg_grade", "is_waterfront": "wfnt",
    }  # fmt: skip
    year = d.sale_date.dt.year
    return pd.DataFrame({
        "sale_id": d.sale_id, "property_id": d.pinx, "sold_at": d.sale_date, "area": d.area,
        "property_type": d.use_type, "year_built": (year - d.age).astype(float),
        "year_renovated": (year - d.eff_age).astype(float), **numbers(d, same),
    })  # fmt: skip


def king_county() -> pd.DataFrame:
    """Read King County, May 2014 to May 2015."""
    d = pd.read_parquet(DATA / "kc_house_sales/kc_house_sales.parquet")
    same = {
        "price_usd": "price", "latitude": "lat", "longitude": "long", "living_sqft": "sqft_living",
        "lot_sqft": "sqft_lot", "bedrooms": "bedrooms", "bathrooms": "bathrooms", "stories": "floors",
        "year_built": "yr_built", "quality_grade": "grade", "condition_grade": "condition",
        "view_grade": "view", "is_waterfront": "waterfront", "extra_sqft_above": "sqft_above",
        "extra_sqft_basement": "sqft_basement", "extra_sqft_living15": "sqft_living15",
        "extra_sqft_lot15": "sqft_lot15",
    }  # fmt: skip
    return pd.DataFrame({
        "sale_id": ids(d), "property_id": d.id, "sold_at": d.date, "area": d.zipcode,
        "property_type": "house",
        "year_renovated": d.yr_renovated.where(d.yr_renovated > 0).astype(float), **numbers(d, same),
    })  # fmt: skip


def singapore() -> pd.DataFrame:
    """Read Singapore public flats 2017 to 2023, by month; prices in SGD."""
    d = pd.read_parquet(DATA / "sg_hdb_resale/hdb_resale_2017_2023.parquet")
    same = {
        "price_usd": "resale_price", "latitude": "latitude", "longitude": "longitude",
        "year_built": "lease_commence_date",
    }  # fmt: skip
    return pd.DataFrame({
        "sale_id": ids(d), "property_id": ids(d), "sold_at": d.month, "area": d.town,
        "property_type": d.flat_type, "living_sqft": d.floor_area_sqm * SQUARE_FEET,
        "extra_storey": d.storey_range.str[:2].astype(float) + 1, "extra_flat_model": d.flat_model,
        "extra_street": d.street_name, **numbers(d, same),
    })  # fmt: skip


def new_york(*, market_only: bool = True) -> pd.DataFrame:
    """Read New York: all market sales of all classes (price of 10,000 USD and more)."""
    d = pd.read_parquet(DATA / "nyc_property_sales/nyc_sales_2015bk_2019_2024.parquet")
    if market_only:
        d = d[d.is_market_sale.fillna(value=False).astype(bool)].reset_index(drop=True)
    same = {
        "price_usd": "sale_price", "latitude": "zip_lat", "longitude": "zip_lon",
        "units": "total_units", "extra_residential_units": "residential_units",
        "extra_commercial_units": "commercial_units",
    }  # fmt: skip
    above = {
        "living_sqft": "gross_square_feet",
        "lot_sqft": "land_square_feet",
        "year_built": "year_built",
    }
    positive = {k: s.where(s > 0) for k, s in numbers(d, above).items()}
    block = d.borough.astype(str) + "-" + d.block.astype(str)
    return pd.DataFrame({
        "sale_id": ids(d), "property_id": block + "-" + d.lot.astype(str), "sold_at": d.sale_date,
        "area": d.borough.astype(str) + " " + d.neighborhood,
        "property_type": d.building_class_category,
        "extra_building_class": d.building_class_at_time_of_sale,
        "extra_tax_class": d.tax_class_at_time_of_sale.astype(str), "extra_zip": d.zip_code,
        "extra_borough": d.borough.astype(str), "extra_tax_block": block,
        "extra_block_number": d.borough.astype(float) * 1e5 + d.block.astype(float),
        **positive, **numbers(d, same),
    })  # fmt: skip


CITIES: dict[str, tuple[Callable[[], pd.DataFrame], Terms]] = {
    "seattle": (seattle, Terms(pd.Timestamp("2016-07-01"))),
    "king_county": (king_county, Terms(pd.Timestamp("2015-03-01"))),
    "singapore": (singapore, Terms(pd.Timestamp("2023-07-01"), step_days=None)),
    "new_york": (new_york, Terms(pd.Timestamp("2024-01-01"), step_days=None)),
}


def judged(city: str, sales: pd.DataFrame) -> pd.Series | None:
    """Return the sales that the figure is about; New York: 1-3 family homes of 100 k to 5 M USD."""
    if city != "new_york":
        return None
    return sales.property_type.str[:2].isin(["01", "02", "03"]) & sales.price_usd.between(1e5, 5e6)


def run(city: str) -> Backtest:
    """Run one city's backtest."""
    load, terms = CITIES[city]
    sales = load()
    return backtest(sales, terms, judged=judged(city, sales))


def main() -> None:
    """Run the cities that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--city", choices=sorted(CITIES), action="append")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found: dict[str, object] = {}
    for city in asked.city or CITIES:
        result = run(city)
        print(f"== {city}\n{result}\n", flush=True)
        found[city] = result.as_json()
        if asked.json:
            asked.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
