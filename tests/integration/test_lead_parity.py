"""A lead's features are the same values to learn from, online and by the transform itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import landmarks
from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.tabulate import STATE_TABLES, state_of
from hki_ml.serving.live_leads import SERVICE, state_of as served_state
from hki_ml.settings import FeatureSettings, Settings
from hki_ml.simulation.run import simulate
from hki_ml.tables import LEAD_STATE
from hki_ml.wiring import Backend, connect
from tests.conftest import ROOT
from tests.unit.simulation.town import END, town, world

UNTIL = END + timedelta(hours=1)
NAMES = [name for name in LEAD_STATE.names if name not in {"lead_id", "event_timestamp", "created"}]


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv("HKI_HOME", str(tmp_path / "home"))
    features = FeatureSettings(repository=ROOT / "features")
    made = connect(Settings(home=tmp_path / "home", features=features, _env_file=None))
    simulate(made, world(300), town(), now=END)
    materialize(made, until=UNTIL)
    return made


def test_training_frame_online_store_and_transform_give_the_same_values(backend: Backend) -> None:
    lake = backend.lake
    known = lake.read("leads")
    every = landmarks(known, known_until=pd.Timestamp(UNTIL))
    learned = every.sample(80, random_state=1).sort_index().reset_index(drop=True)
    now = pd.DataFrame({"lead_id": known["lead_id"].to_pylist()[-60:], "event_timestamp": UNTIL})
    spine = pd.concat([learned[["lead_id", "event_timestamp"]], now], ignore_index=True)
    spine["event_timestamp"] = pd.to_datetime(spine["event_timestamp"], utc=True).astype(
        "datetime64[us, UTC]"
    )

    import pyarrow as pa

    versions = {table: lake.version(table) for table in STATE_TABLES}
    asked = pa.Table.from_pandas(spine, preserve_index=False)
    by_transform = state_of(lake, known, asked, versions=versions).to_pandas()
    by_feast = backend.features.training_frame(SERVICE, spine)
    for name in NAMES:
        for here, there in zip(by_transform[name], by_feast[name], strict=True):
            assert same(here, there), name
    online = backend.features.online(SERVICE, now["lead_id"].to_list())
    expected = by_transform.tail(len(now)).to_dict("records")
    for row, wanted in zip(online, expected, strict=True):
        assert row.seen_at == UNTIL
        assert {n for n in NAMES if not same(row.values.get(n), wanted[n])} == set()

    at = {"event_timestamp": pd.Timestamp(UNTIL)}
    served = pd.DataFrame([{**dict.fromkeys(NAMES), **served_state(row), **at} for row in online])
    pd.testing.assert_frame_equal(
        feature_frame(served), feature_frame(by_transform.tail(len(now)).reset_index(drop=True))
    )


def test_a_second_materialization_with_nothing_new_writes_only_what_moves_with_the_day(
    backend: Backend,
) -> None:
    tables = ("events", "leads", "property_facts", "property_value", "lead_state", "state_runs",
              "materialized", "market_trend")  # fmt: skip
    before = versions_of(backend, tables)
    again = materialize(backend, until=UNTIL)
    assert again.rows == 0
    assert versions_of(backend, tables) == before
    later = materialize(backend, until=UNTIL + timedelta(hours=5))
    moved = {name for name, v in versions_of(backend, tables).items() if v != before[name]}
    assert moved <= {"lead_state", "state_runs", "materialized"}
    known = backend.lake.read("leads").num_rows
    assert later.rows <= 7 * known  # the rows of now, and landmarks that came due


def versions_of(backend: Backend, tables: tuple[str, ...]) -> Mapping[str, int]:
    return {table: backend.lake.version(table) for table in tables}


def same(here: object, there: object) -> bool:
    def missing(value: object) -> bool:
        return value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA

    return (missing(here) and missing(there)) or here == there
