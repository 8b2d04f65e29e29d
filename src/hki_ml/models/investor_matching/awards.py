"""Judged on awards: of everybody who could take a deal, who took it?

Where a file only says who took what, nobody was shown anything: all who took enough of late are
candidates. A conditional logit (McFadden 1974) over log shares chooses among them; its weights come from
earlier rounds, each looked at with what was known before it. Trees across rounds fare worse: see
``docs/experiments/matching.md``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.metrics.table import Figure, Row, Table
from hki_ml.models.investor_matching.award_features import FEATURES, Round, round_of
from hki_ml.models.investor_matching.evaluate import Backtest
from hki_ml.models.investor_matching.judging import Lists, side_by_side

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

LESSONS = 2  # earlier rounds that weights are learned from
MOST_DEALS = 3_000  # of a round, in a lesson
RIDGE = 1e-3
MOST_ROUNDS = 60
DRAWS = 200


def backtest(
    frame: pd.DataFrame,
    *,
    cutoff: pd.Timestamp,
    until: pd.Timestamp | None,
    seed: int,
    threads: int,
) -> Backtest:
    """Learn from the rounds before ``cutoff`` and judge on those of ``[cutoff, until)``.

    Raises
    ------
    NotEnoughData
        If there is no round to learn from or none to judge.
    """
    rounds = _rounds(frame)
    lessons = [
        _looked_at(frame, at, seed=seed, threads=threads)
        for at in [r for r in rounds if r < cutoff][-LESSONS:]
    ]
    weights = fit([lesson for lesson in lessons if lesson is not None], seed=seed)
    tested = [r for r in rounds if r >= cutoff and (until is None or r < until)]
    found = [_looked_at(frame, at, seed=seed, threads=threads) for at in tested]
    judged = [each for each in found if each is not None]
    if not judged:
        raise NotEnoughData(
            f"expected deals that known investors took from {cutoff:%Y-%m-%d}, got none"
        )
    lists, people = _lists(judged)
    scores = _scores(judged, weights)
    tables = (
        side_by_side("side by side", lists, scores, seed=seed, draws=DRAWS),
        Table("weights", [Row(n, len(judged), {"weight": Figure(float(w))})
                          for n, w in zip(FEATURES, weights, strict=True)]),
        Table("candidates", [Row("each round", len(judged), {
            "candidates": Figure(float(np.mean([len(r.candidates) for r in judged]))),
            "deals": Figure(float(np.mean([len(r.rows) for r in judged]))),
        })]),
    )  # fmt: skip
    return Backtest(tables, _predictions(judged, scores["ours"], people))


def _rounds(frame: pd.DataFrame) -> list[pd.Timestamp]:
    """Return when each round began: a day, or a quarter of a year where there are more than 60 days."""
    days = frame["event_timestamp"].dt.floor("D")
    if days.nunique() > MOST_ROUNDS:
        plain = days.dt.tz_localize(None).dt.to_period("Q").dt.start_time
        days = plain.dt.tz_localize("UTC")
    return sorted(days.unique())


def _looked_at(frame: pd.DataFrame, at: pd.Timestamp, *, seed: int, threads: int) -> Round | None:
    rounds = _rounds(frame)
    later = [r for r in rounds if r > at]
    times = frame["event_timestamp"]
    rows = frame[(times >= at) & (times < later[0] if later else times >= at)]
    history = frame[times < at]
    if history.empty:
        return None
    return round_of(history, rows, seed=seed, threads=threads)


def fit(lessons: list[Round], *, seed: int) -> FloatArray:
    """Return the weights of the log shares, none below zero, each round counting alike.

    Raises
    ------
    NotEnoughData
        Without a lesson.
    """
    from scipy.optimize import minimize

    if not lessons:
        raise NotEnoughData("expected at least one earlier round to learn from, got none")
    chance = np.random.default_rng(seed)
    parts = []
    for each in lessons:
        some = chance.permutation(len(each.taker))[:MOST_DEALS]
        parts.append((each.table[some], each.taker[some]))

    def loss(weights: FloatArray) -> tuple[float, FloatArray]:
        total, slope = RIDGE * float(weights @ weights), 2 * RIDGE * weights
        for table, taker in parts:
            margin = table @ weights
            margin -= margin.max(axis=1, keepdims=True)
            share = np.exp(margin)
            share /= share.sum(axis=1, keepdims=True)
            rows = np.arange(len(taker))
            total -= float(np.log(share[rows, taker]).mean()) / len(parts)
            share[rows, taker] -= 1
            slope = slope + np.einsum("ij,ijk->k", share, table) / len(taker) / len(parts)
        return total, slope

    count = lessons[0].table.shape[-1]
    found = minimize(
        loss, np.full(count, 0.1), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * count
    )
    return np.asarray(found.x, np.float64)


def _scores(judged: list[Round], weights: FloatArray) -> dict[str, FloatArray]:
    def flat(of: object) -> FloatArray:
        return np.concatenate([np.asarray(each, np.float64).ravel() for each in of])  # type: ignore[attr-defined]

    def one(name: str) -> FloatArray:
        return flat(each.table[:, :, FEATURES.index(name)] for each in judged)

    return {
        "ours": flat(each.table @ weights for each in judged),
        "popularity": one("popularity, decayed"),
        "factors alone": one("factors"),
        "content alone": one("trees, decayed"),
        "rules": flat(each.rules for each in judged),
    }


def _lists(judged: list[Round]) -> tuple[Lists, NDArray[np.object_]]:
    people = np.array(sorted({name for each in judged for name in each.candidates}), object)
    place = {name: at for at, name in enumerate(people)}
    of, truth, who, cluster, begin = [], [], [], [], 0
    for each in judged:
        deals, count = each.table.shape[:2]
        of.append(np.repeat(np.arange(begin, begin + deals), count))
        truth.append((np.arange(count)[None, :] == each.taker[:, None]).ravel().astype(np.float64))
        who.append(np.tile([place[name] for name in each.candidates], deals))
        day = each.rows["event_timestamp"].dt.strftime("%Y-%m-%d")
        cluster.append(each.rows["cluster"].fillna(day).to_numpy(object).astype(str))
        begin += deals
    whole = np.concatenate
    return Lists(whole(of), whole(truth), whole(who), len(people), whole(cluster)), people


def _predictions(
    judged: list[Round], score: FloatArray, people: NDArray[np.object_]
) -> pd.DataFrame:
    """Return a row a deal: who took it and at which place it was foretold."""
    del people
    parts, begin = [], 0
    for each in judged:
        deals, count = each.table.shape[:2]
        mine = score[begin : begin + deals * count].reshape(deals, count)
        own = mine[np.arange(deals), each.taker]
        place = 1 + (mine > own[:, None]).sum(axis=1)
        parts.append(each.rows[["deal_id", "investor_id", "event_timestamp"]].assign(place=place))
        begin += deals * count
    return pd.concat(parts, ignore_index=True)
