"""Who took deals like this one before: each candidate's share among the deals that are alike, as logs.

Deals come in rounds (auction days); a round is looked at with what came in earlier rounds alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.models.investor_matching.factors import als

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FACT = "fact_"
YEAR_S = 365.25 * 86_400
FLOOR = 1e-4  # share of somebody who never took anything alike
TREES: dict[str, Any] = {
    "objective": "multiclass", "num_leaves": 15, "learning_rate": 0.1, "min_child_samples": 10,
    "lambda_l2": 5.0, "deterministic": True, "force_row_wise": True, "verbose": -1,
}  # fmt: skip
ROUNDS = 30
NEIGHBOURS = 150
FEATURES = (
    "trees, last year", "trees, decayed", "trees by amounts, last year", "neighbours by amounts, last year",
    "neighbours, last year", "neighbours, decayed", "popularity, last year",
    "popularity, decayed", "same home before", "took the home last", "factors",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Round:
    """The deals of one round with their candidates; ``table`` is ``(deals, candidates, features)``.

    ``taker`` is the place of who took each deal among the candidates.
    """

    rows: pd.DataFrame
    candidates: NDArray[np.object_]
    taker: IntArray
    table: FloatArray
    rules: FloatArray


def content(rows: pd.DataFrame) -> FloatArray:
    """Return the numbers among the facts, shape ``(n, columns)``: `amounts`, others, the place last."""
    others = [
        rows[name].to_numpy(np.float64)
        for name in sorted(c for c in rows.columns if c.startswith(FACT))
        if not name.endswith("_usd")
        and name not in {FACT + "latitude", FACT + "longitude"}
        and rows[name].dtype != object
    ]
    return np.asarray(np.column_stack([amounts(rows), *others, _where(rows)]), np.float64)


def amounts(rows: pd.DataFrame) -> FloatArray:
    """Return the logs of all amounts and of the first over each other one, shape ``(n, columns)``."""
    names = sorted(c for c in rows.columns if c.startswith(FACT) and c.endswith("_usd"))
    logs = [np.log(np.maximum(rows[name].to_numpy(np.float64), 50.0)) for name in names]
    ratios = [logs[0] - each for each in logs[1:]]
    if not logs:
        return np.zeros((len(rows), 1))
    return np.asarray(np.column_stack([*logs, *ratios]), np.float64)


def _where(rows: pd.DataFrame) -> FloatArray:
    names = (FACT + "latitude", FACT + "longitude")
    nothing = np.full(len(rows), np.nan)
    parts = [rows[n].to_numpy(np.float64) if n in rows else nothing for n in names]
    return np.asarray(np.column_stack(parts), np.float64)


def round_of(history: pd.DataFrame, rows: pd.DataFrame, *, seed: int, threads: int) -> Round | None:
    """Return a round with its features, ``None`` if nobody is a candidate or no candidate took any.

    Parameters
    ----------
    history
        Awards strictly before the round.
    """
    at = float(rows["event_timestamp"].min().timestamp())
    age = (at - _seconds(history)) / YEAR_S
    fewest, years = int(rows["fewest"].iloc[0]), float(rows["years"].iloc[0])
    recent = history[age <= years + 0.1]
    counts = recent["investor_id"].value_counts()
    candidates = np.array(sorted(counts[counts >= fewest].index), object)
    rows = rows[rows["investor_id"].isin(candidates)].reset_index(drop=True)
    if len(candidates) < 2 or rows.empty:
        return None
    place = {name: i for i, name in enumerate(candidates)}
    past = _Past(history, recent, age, place)
    table = past.features(rows, seed=seed, threads=threads)
    taker = rows["investor_id"].map(place).to_numpy(np.int64)
    return Round(rows, candidates, taker, table, past.rules(rows))


def _seconds(rows: pd.DataFrame) -> FloatArray:
    whole = rows["event_timestamp"].dt.as_unit("us").astype("int64").to_numpy()
    return np.asarray(whole / 1e6, np.float64)


class _Past:
    """What came before a round, and each candidate's share in it."""

    def __init__(
        self, history: pd.DataFrame, recent: pd.DataFrame, age: FloatArray, place: dict[str, int]
    ) -> None:
        self.history, self.recent, self.place = history, recent, place
        self.last = history[age <= 1.1]
        self.age = {"all": age, "recent": age[age <= float(history["years"].iloc[0]) + 0.1]}
        self.n = len(place)

    def features(self, rows: pd.DataFrame, *, seed: int, threads: int) -> FloatArray:
        """Return ``FEATURES`` of every deal and candidate."""
        decay = 0.4 ** (self.age["recent"] - 1)
        even = np.ones(len(self.last))
        params = TREES | {"seed": seed, "num_threads": threads}
        parts = [
            self._trees(self.last, even, rows, params),
            self._trees(self.recent, decay, rows, params),
            self._trees(self.last, even, rows, params, seen=amounts),
            self._near(self.last, even, rows, with_place=False),
            self._near(self.last, even, rows, with_place=True),
            self._near(self.recent, decay, rows, with_place=True),
            self._popular(self.last, even, len(rows)),
            self._popular(self.recent, decay, len(rows)),
            *self._same_home(rows),
            self._factors(rows, decay, seed=seed),
        ]
        return np.stack(parts, axis=-1)

    def _who(self, past: pd.DataFrame) -> IntArray:
        return np.asarray(past["investor_id"].map(self.place).fillna(-1), np.int64)

    def _trees(
        self, past: pd.DataFrame, weight: FloatArray, rows: pd.DataFrame, params: dict[str, Any],
        *, seen: Callable[[pd.DataFrame], FloatArray] = content,
    ) -> FloatArray:  # fmt: skip
        import lightgbm

        who = self._who(past)
        kept = who >= 0
        names, label = np.unique(who[kept], return_inverse=True)
        out: FloatArray = np.full((len(rows), self.n), np.log(FLOOR))
        if len(names) < 2:
            return out
        data = lightgbm.Dataset(seen(past)[kept], label, weight=weight[kept])
        trees = lightgbm.train(params | {"num_class": len(names)}, data, ROUNDS)
        out[:, names] = np.log(np.asarray(trees.predict(seen(rows), num_threads=1)) + FLOOR)
        return out

    def _near(
        self, past: pd.DataFrame, weight: FloatArray, rows: pd.DataFrame, *, with_place: bool
    ) -> FloatArray:
        from scipy.spatial import cKDTree

        here, there = amounts(rows), amounts(past)
        if with_place:
            here = np.column_stack([here, _where(rows)])
            there = np.column_stack([there, _where(past)])
        scale = np.nanstd(there, axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        middle = np.nan_to_num(np.nanmedian(there, axis=0))
        here, there = (np.nan_to_num((x - middle) / scale, nan=4.0) for x in (here, there))
        count = min(NEIGHBOURS, len(past))
        _, at = cKDTree(there).query(here, k=count)
        at = at.reshape(len(rows), count)
        who = self._who(past)[at]
        shares = np.zeros((len(rows), self.n + 1))
        np.add.at(shares, (np.arange(len(rows))[:, None], who), weight[at])
        usual = np.exp(self._popular(past, weight, 1))
        total = weight[at].sum(axis=1, keepdims=True)
        return np.asarray(np.log((shares[:, : self.n] + 2 * usual) / (total + 2) + FLOOR))

    def _popular(self, past: pd.DataFrame, weight: FloatArray, n: int) -> FloatArray:
        who = self._who(past)
        count = np.bincount(who[who >= 0], weight[who >= 0], minlength=self.n)
        share = np.log(count / max(weight.sum(), 1.0) + 1e-3)
        return np.tile(share, (n, 1))

    def _same_home(self, rows: pd.DataFrame) -> tuple[FloatArray, FloatArray]:
        count = np.zeros((len(rows), self.n))
        last = np.zeros((len(rows), self.n))
        mine = self.history[self.history["property_id"].isin(rows["property_id"].dropna())]
        by_home = {home: self._who(part) for home, part in mine.groupby("property_id", sort=False)}
        for i, home in enumerate(rows["property_id"]):
            who = by_home.get(home)
            if who is None:
                continue
            np.add.at(count[i], who[who >= 0], 1.0)
            if who[-1] >= 0:
                last[i, who[-1]] = 1.0
        return np.log1p(count), last

    def _factors(self, rows: pd.DataFrame, decay: FloatArray, *, seed: int) -> FloatArray:
        who = self._who(self.recent)
        places = self.recent["place"].to_numpy(object)
        kept = (who >= 0) & pd.notna(places)
        out = np.zeros((len(rows), self.n))
        if not kept.any():
            return out
        names, item = np.unique(places[kept].astype(str), return_inverse=True)
        people, items = als(who[kept], item, decay[kept], (self.n, len(names)), seed=seed)
        at = {name: i for i, name in enumerate(names)}
        found = rows["place"].map(at).fillna(-1).to_numpy(np.int64)
        out[found >= 0] = items[found[found >= 0]] @ people.T
        return out

    def rules(self, rows: pd.DataFrame) -> FloatArray:
        """Return the rule engine's points: location, budget, type, cash (all pay cash here), history."""
        who = self._who(self.recent)
        keyed = pd.Series(who).groupby(self.recent["place"].to_numpy(object))
        by_place = {k: np.bincount(v[v >= 0], minlength=self.n) for k, v in keyed}
        none = np.zeros(self.n)
        near = np.stack([np.minimum(by_place.get(p, none) / 3, 1) for p in rows["place"]])
        points = (
            40 * near + 10 + 10 * np.minimum(np.bincount(who[who >= 0], minlength=self.n) / 50, 1)
        )
        for name, worth in ((FACT + "price_usd", 25), (FACT + "is_homestead", 15)):
            if name in rows:
                points = points + worth * self._inside(rows[name].to_numpy(float), name, who)
        return np.asarray(points, np.float64)

    def _inside(self, values: FloatArray, name: str, who: IntArray) -> FloatArray:
        out = np.zeros((len(values), self.n))
        past = self.recent[name].to_numpy(float)
        for i in range(self.n):
            low, high = np.nanquantile(past[who == i], [0.1, 0.9])
            out[:, i] = (values >= low) & (values <= high)
        return out
