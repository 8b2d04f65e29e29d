"""Importances are those of the model that answers; another order is told and alarms nobody."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hki_ml.monitoring.check import Rules, settled
from hki_ml.monitoring.importances import importances, stability

NAMES = tuple(f"x{k}" for k in range(8))


def table(seed: int, n: int = 2_000, **spread: float) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame({name: random.normal(0, spread.get(name, 1.0), n) for name in NAMES})


def margin(rows: pd.DataFrame) -> np.ndarray:
    """Return a model's answers: ever less of the next column, and nothing of the last."""
    return rows.to_numpy() @ np.array([8.0, 6.0, 4.0, 3.0, 2.0, 1.0, 0.5, 0.0])


def test_a_column_counts_as_much_as_answers_move_when_it_is_shuffled() -> None:
    found = importances(table(0), NAMES, margin)
    assert list(found) == sorted(found, key=lambda name: -found[name])
    assert found["x7"] == 0.0
    # Two independent draws of a normal lie 2 / sqrt(pi) standard deviations apart on average.
    assert found["x0"] == pytest.approx(8 * 2 / np.sqrt(np.pi), rel=0.05)
    constant = importances(table(0).assign(x0=1.0), NAMES, margin)
    assert constant["x0"] == 0.0


def test_quiet_windows_agree_and_a_column_that_took_over_is_named() -> None:
    before = importances(table(0), NAMES, margin)
    quiet = stability(before, importances(table(1), NAMES, margin), n=2_000)
    assert quiet.value > 0.95
    assert not quiet.signal
    taken = table(2, x0=0.01, x1=0.01, x6=40.0)
    moved = stability(before, importances(taken, NAMES, margin), n=2_000)
    assert moved.signal
    assert next(iter(moved.detail["moved"])) == "x6"
    assert next(iter(moved.detail["most"])) == "x6"
    assert settled(moved, [True, True], Rules()).alarm is False


def test_too_little_to_rank_is_unknown() -> None:
    before = importances(table(0), NAMES, margin)
    assert stability(before, before, n=100).signal is None
    assert stability({"x": 1.0}, {"x": 1.0}, n=2_000).signal is None
