"""Three rooms, one lead: what they say of it must be possible together."""

import numpy as np
import pandas as pd
import pytest

from hki_ml.models.conversion import train as conversion
from hki_ml.models.lead_scoring import train as lead_scoring
from hki_ml.models.time_to_close import train as time_to_close
from hki_ml.models.time_to_close.cox import Terms
from tests.unit.models.leads import lead_rows, state_of

LEADS = 10_000
AS_OF = pd.Timestamp("2021-09-01", tz="UTC")


@pytest.fixture(scope="module")
def rooms():
    rows = lead_rows()
    return (
        lead_scoring.train(rows, as_of=AS_OF, seed=0, threads=1),
        conversion.train(rows, as_of=AS_OF, seed=0, rounds=30),
        time_to_close.train(rows, as_of=AS_OF, seed=0, terms=Terms(breaks=(20.0,))),
    )


@pytest.fixture(scope="module")
def later():
    rows = lead_rows(leads=3_000, seed=9)
    return rows.iloc[np.random.default_rng(7).integers(0, len(rows), LEADS)]


def told(rooms, rows, scores):
    """Yield what the rooms say of each lead, the odds of one of them given to the others."""
    _, odds, times = rooms
    for (_, row), score in zip(rows.iterrows(), scores, strict=True):
        state, as_of = state_of(row), row["event_timestamp"].to_pydatetime()
        said = odds.answer(state, as_of=as_of, close_90=float(score))
        when = times.answer(state, as_of=as_of, close_90=float(score), curve=said.horizons)
        yield float(score), said, when


def contradictions(probability, odds, times):  # noqa: C901 - a list of laws
    by = dict(odds.horizons)
    closed = {day.days: day.closed for day in times.distribution}
    if abs(by[90] - probability) > 1e-8 or abs(closed[90] - probability) > 1e-8:
        yield "90 days"
    if any(abs(by[day] - closed[day]) > 1e-7 for day in by):
        yield "the two curves"
    if any(a > b for a, b in zip(by.values(), list(by.values())[1:], strict=False)):
        yield "odds fall"
    if any(day.closed + day.lost > 1 + 1e-9 for day in times.distribution):
        yield "more ends than leads"
    if by[180] > 1 - times.never_probability + 1e-9:
        yield "never"
    p10, p50, p90 = (times.quantiles[name] for name in ("p10", "p50", "p90"))
    if not p10 <= p50 <= p90 <= 365 or times.median_days != p50:
        yield "quantiles"
    if not 0 < times.expected_days <= 365:
        yield "expected days"
    whole = 1 - times.never_probability
    late = [day for day, c in closed.items() if c < 0.5 * whole - 1e-9 and day > p50 + 1e-6]
    early = [day for day, c in closed.items() if c > 0.5 * whole + 1e-9 and day < p50 - 1e-6]
    if late or early:
        yield "median"
    up = [p for _, to, p in odds.stages if to != "lost"]
    if abs(np.prod(up) - probability) > 1e-6:
        yield "stages"


def test_ten_thousand_leads_are_told_nothing_that_contradicts_itself(rooms, later):
    scorer = rooms[0]
    scores = 1 / (1 + np.exp(-scorer.margin(scorer.table(later))))
    assert scores.std() > 0.1
    assert [why for each in told(rooms, later, scores) for why in contradictions(*each)] == []


def test_odds_of_every_kind_are_followed_sure_ones_too(rooms, later):
    scores = 1 / (1 + np.exp(-np.random.default_rng(7).normal(-1.5, 3.0, 1_000)))
    scores[:4] = [0.0, 1e-6, 0.999999, 1.0]
    scores = np.clip(scores, 1e-9, 1 - 1e-9)
    some = later.iloc[:1_000]
    assert [why for each in told(rooms, some, scores) for why in contradictions(*each)] == []


def test_rooms_that_do_not_hear_one_another_are_found_out(rooms, later):
    scorer, odds, times = rooms
    some = later.iloc[:20]
    scores = 1 / (1 + np.exp(-scorer.margin(scorer.table(some))))
    for (_, row), score in zip(some.iterrows(), scores, strict=True):
        state, as_of = state_of(row), row["event_timestamp"].to_pydatetime()
        said, when = odds.answer(state, as_of=as_of), times.answer(state, as_of=as_of)
        found = set(contradictions(float(score), said, when))
        assert {"90 days", "the two curves"} <= found
