"""The same way in on Kafka and S3: nothing but settings differs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from hki_ml.adapters.lake import open_lake
from hki_ml.mapping import parse_mapping
from hki_ml.pipeline.importing import Import
from hki_ml.settings import BusSettings, LakeSettings, Settings
from hki_ml.wiring import connect_bus
from tests import servers

NOW = datetime(2024, 6, 1, tzinfo=UTC)
MAPPING = parse_mapping(
    'source = "here"\n[id]\nproperty = ["parcel"]\n[date]\ncolumn = "sold"\n[price]\ncolumn = "price"'
)


@pytest.mark.server
def test_an_import_over_kafka_into_s3_is_that_on_disk(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    sales = pl.DataFrame({"parcel": [f"p{i}" for i in range(5_000)], "sold": "2020-05-04"})
    sales.with_columns(price=pl.int_range(300_000, 305_000)).write_parquet(file)
    (tmp_path / "kafka").mkdir()
    (tmp_path / "s3").mkdir()
    with servers.kafka(tmp_path / "kafka") as bootstrap, servers.s3(tmp_path / "s3") as url:
        embedded = Settings(home=tmp_path / "hki", _env_file=None)
        remote = Settings(
            home=tmp_path / "unused",
            bus=BusSettings(kafka_bootstrap=bootstrap),
            lake=LakeSettings(
                url="s3://lake/x",
                s3_endpoint=url,
                s3_access_key=SecretStr("test"),
                s3_secret_key=SecretStr("testtest"),
            ),
            _env_file=None,
        )
        seen = []
        for settings in (embedded, remote):
            bus, lake = connect_bus(settings), open_lake(settings.lake, settings.lake_path)
            tallies = [Import(bus, lake, MAPPING, NOW).run(file) for _ in range(2)]
            assert [(each.accepted, each.duplicates) for each in tallies] == [
                (5_000, 0),
                (0, 5_000),
            ]
            seen.append(sorted(lake.read("sales")["sale_id"].to_pylist()))
        assert seen[0] == seen[1]
        assert not (tmp_path / "unused").exists()
