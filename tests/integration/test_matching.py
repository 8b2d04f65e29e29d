"""A simulated market through the whole path: events, tables, features, a trained matcher, an answer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hki_ml.learning.investor_pool import InvestorPool
from hki_ml.models.investor_matching.predict import load
from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.train import train
from hki_ml.settings import FeatureSettings, Settings
from hki_ml.simulation.run import simulate
from hki_ml.wiring import Backend, connect
from tests.conftest import ROOT
from tests.unit.simulation.town import END, town, world

NOW = END + timedelta(days=1)


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backend:
    monkeypatch.setenv("HKI_HOME", str(tmp_path / "home"))
    features = FeatureSettings(repository=ROOT / "features")
    return connect(Settings(home=tmp_path / "home", features=features, _env_file=None))


def test_from_events_to_an_answer(backend: Backend, tmp_path: Path) -> None:
    simulate(backend, world(2_500), town(), now=NOW)
    done = materialize(backend, until=NOW)
    assert done.investor_states > 300
    version = backend.lake.version("investor_state")
    assert materialize(backend, until=NOW).rows == 0
    assert backend.lake.version("investor_state") == version

    trained = train(backend, "investor_matching", as_of=NOW)
    assert trained.version.figures["mrr"] > 0.6
    assert not train(backend, "investor_matching", as_of=NOW).is_new

    folder = backend.registry.download(trained.version, tmp_path / "model")
    matcher = load(folder, trained.version.version)
    pool = InvestorPool.of(backend.lake.read("investor_state"))
    deal = backend.lake.read("deals").to_pylist()[-1]
    answer = matcher.answer(deal, pool, as_of=NOW)
    assert answer.matches
    assert answer.matches[0].probability > answer.matches[-1].probability

    online = backend.features.online("investor_matching", [answer.matches[0].investor_id])[0]
    at = pool.place[answer.matches[0].investor_id]
    assert online.values["investor_response_rate"] == pytest.approx(
        pool.numbers["investor_response_rate"][at]
    )
    assert {"investor_average_deal_size", "investor_close_rate"} <= set(online.values)
