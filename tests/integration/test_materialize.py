"""What comes into the lake comes online, once, whenever it happened and whenever it came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hki_ml.mapping import parse_mapping
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.materialize import materialize
from hki_ml.settings import FeatureSettings, Settings
from hki_ml.wiring import Backend, connect
from tests.conftest import ROOT

NOW = datetime(2024, 6, 1, tzinfo=UTC)
MAPPING = parse_mapping(
    'source = "here"\n[id]\nproperty = ["parcel"]\n[date]\ncolumn = "sold"\n[price]\ncolumn = "price"\n'
    '[facts]\narea = "zip"\nliving_sqft = "sqft"'
)


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv(
        "HKI_HOME", str(tmp_path / "home")
    )  # what the declarations in features/ read
    features = FeatureSettings(repository=ROOT / "features")
    return connect(Settings(home=tmp_path / "home", features=features, _env_file=None))


def bring_in(
    backend: Backend, folder: Path, homes: dict[str, int], *, sold: str, at: datetime
) -> None:
    file = folder / f"{sold}.csv"
    rows = [
        f"{home},{sold},{400_000 + i},98101,{sqft}" for i, (home, sqft) in enumerate(homes.items())
    ]
    file.write_text("\n".join(["parcel,sold,price,zip,sqft", *rows]) + "\n")
    Import(backend.bus, backend.lake, MAPPING, at).run(file)


def sqft_online(backend: Backend, *homes: str) -> list[object]:
    return [row.values.get("living_sqft") for row in backend.features.online("valuation", homes)]


def test_a_file_of_older_sales_that_comes_later_is_online_after_it(
    backend: Backend, tmp_path: Path
) -> None:
    bring_in(backend, tmp_path, {"a1": 1_500, "a2": 1_600}, sold="2023-05-01", at=NOW)
    assert materialize(backend, until=NOW + timedelta(hours=1)).rows > 0
    assert sqft_online(backend, "a1", "b1") == [1_500.0, None]

    later = NOW + timedelta(days=1)
    bring_in(backend, tmp_path, {"b1": 900, "a2": 1_400}, sold="2015-03-01", at=later)
    assert materialize(backend, until=later + timedelta(hours=1)).rows > 0
    assert sqft_online(backend, "a1", "a2", "b1") == [1_500.0, 1_600.0, 900.0]
    created = backend.lake.read("property_facts").to_pylist()
    assert {r["created"] for r in created if r["property_id"] == "b1"} == {later}

    assert materialize(backend, until=later + timedelta(hours=2)).rows == 0
    assert sqft_online(backend, "a1", "a2", "b1") == [1_500.0, 1_600.0, 900.0]


def test_an_import_that_began_before_a_materialization_and_ended_after_it_is_not_lost(
    backend: Backend, tmp_path: Path
) -> None:
    bring_in(backend, tmp_path, {"a": 1_500}, sold="2023-05-01", at=NOW)
    materialize(backend, until=NOW + timedelta(hours=1))
    bring_in(backend, tmp_path, {"slow": 700}, sold="2022-05-01", at=NOW + timedelta(minutes=1))
    assert materialize(backend, until=NOW + timedelta(hours=2)).rows > 0
    assert sqft_online(backend, "slow") == [700.0]


def test_an_online_store_that_was_lost_is_filled_again(backend: Backend, tmp_path: Path) -> None:
    bring_in(backend, tmp_path, {"a": 1_500}, sold="2023-05-01", at=NOW)
    first = materialize(backend, until=NOW + timedelta(hours=1)).rows
    (tmp_path / "home" / "feast" / "online.db").unlink()
    again = connect(backend.settings)
    assert materialize(again, until=NOW + timedelta(hours=1)).rows == first
    assert sqft_online(again, "a") == [1_500.0]
