"""Who gets which version: sticky, even, and read from the ledger alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from hki_ml.ledger import ENDED, PROMOTED, ROLLED_BACK, STAGED, Entry, Experiment, place, running

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def staged(number: int, share: float, name: str = "m/2") -> Entry:
    return Entry(number, "m", STAGED, "2", "1", NOW, "me", (), {"name": name, "share": share})


def test_who_has_the_challenger_keeps_it_when_the_share_grows():
    leads = [f"lead_{i}" for i in range(5_000)]
    before: set[str] = set()
    for share in (0.01, 0.1, 0.5, 1.0):
        now = Experiment("m/2", "m", "1", "2", share, NOW, NOW)
        mine = {lead for lead in leads if now.arm(lead) == "challenger"}
        assert before <= mine
        assert abs(len(mine) / len(leads) - share) < 0.03
        before = mine
    assert before == set(leads)


def test_another_experiment_draws_other_leads():
    drawn = np.array([[place(name, f"lead_{i}") for i in range(2_000)] for name in ("a", "b")])
    assert abs(np.corrcoef(drawn)[0, 1]) < 0.07


def test_an_experiment_runs_from_its_first_stage_until_it_ends_or_somebody_else_serves():
    one, two = staged(2, 0.0), staged(3, 0.1)
    assert running([]) is None
    now = running([one, two])
    assert (now.share, now.champion, now.challenger) == (0.1, "1", "2")
    for decision in (ENDED, PROMOTED, ROLLED_BACK):
        assert running([one, two, replace(one, number=4, decision=decision)]) is None
    later = staged(9, 0.0, name="m/9")
    assert running([one, replace(one, number=4, decision=ENDED), later]).name == "m/9"
