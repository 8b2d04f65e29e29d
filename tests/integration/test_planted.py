"""What is planted in a simulated market is refused by name where the platform learns from it.

Its twin without a defect is learned from in ``test_monitor``; twenty seeds stand in
``benchmarks/planted_defects.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hki_ml.errors import GateRefused
from hki_ml.pipeline.materialize import materialize
from hki_ml.pipeline.train import CHALLENGER, train
from hki_ml.settings import load_settings
from hki_ml.simulation.run import simulate
from hki_ml.simulation.world import Defects, World
from hki_ml.wiring import connect
from tests.unit.simulation.town import town

BEGINS = datetime(2014, 12, 1, tzinfo=UTC)
ENDS = datetime(2015, 12, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("defect", "says"),
    [("leak", "'fact_title_order_usd' leaks"), ("self-label", "it names our own predictions")],
)
def test_a_market_with_a_defect_teaches_nothing(tmp_path, monkeypatch, defect, says):
    monkeypatch.setenv("HKI_HOME", str(tmp_path))
    monkeypatch.setenv("HKI_THREADS", "1")
    backend = connect(load_settings())
    planted = Defects.named((defect,), ends_at=ENDS)
    simulate(backend, World(3, 14.0, BEGINS, ENDS, planted), town(), now=ENDS)
    materialize(backend, until=ENDS)
    with pytest.raises(GateRefused, match=says):
        train(backend, "lead_scoring", as_of=ENDS)
    assert backend.registry.resolve("lead_scoring", CHALLENGER) is None
