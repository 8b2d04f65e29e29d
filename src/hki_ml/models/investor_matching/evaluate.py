"""A matcher judged on later deals: among those who were shown each, who answered?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.judged import judged
from hki_ml.metrics import calibration, classification
from hki_ml.metrics.interval import cluster_bootstrap
from hki_ml.metrics.table import Figure, Row, Table
from hki_ml.models.investor_matching.features import CONTENT_ONLY, NAMES
from hki_ml.models.investor_matching.judging import Lists, side_by_side
from hki_ml.models.investor_matching.rules import rule_points
from hki_ml.models.investor_matching.table import Offers, matrix, offers_of, taste_of
from hki_ml.models.investor_matching.train import PARAMS, Matcher, grow, train

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DRAWS = 200
DECILES = 10
FEWEST_DEALS = 20


@dataclass(frozen=True, eq=False)
class Backtest:
    """What a backtest found; ``predictions`` has a row an offer of the judged period."""

    tables: tuple[Table, ...]
    predictions: pd.DataFrame
    matcher: Matcher | None = None

    def __str__(self) -> str:
        """Return every table."""
        return "\n\n".join(str(table) for table in self.tables)

    def as_json(self) -> dict[str, object]:
        """Return every table by its title."""
        return {table.title: table.as_json() for table in self.tables}


def backtest(
    frame: pd.DataFrame,
    *,
    cutoff: pd.Timestamp,
    until: pd.Timestamp | None,
    seed: int,
    threads: int,
) -> Backtest:
    """Train on the offers of before ``cutoff`` and judge on the matured ones of ``[cutoff, until)``.

    Raises
    ------
    NotEnoughData
        If there is too little to learn from, or fewer than 20 deals to judge.
    """
    matcher = train(frame, as_of=cutoff, seed=seed, threads=threads)
    what, rows = judged_rows(frame, cutoff=cutoff, until=until)
    table = table_of(matcher, what, rows)
    truth = what.found.positive[rows]
    lists = lists_of(what, rows)
    margin = matcher.margin(table)
    scores = {
        "ours": margin,
        "popularity": table[:, NAMES.index("habit_rate")],
        "factors alone": table[:, NAMES.index("taste_factors")],
        "content alone": _content_alone(frame, cutoff, table, seed=seed, threads=threads),
        "rules": rule_points(table, matcher.habits),
    }
    tables = (
        side_by_side("side by side", lists, scores, seed=seed, draws=DRAWS),
        _calibration("calibration", truth, margin, lists, seed=seed),
        _deciles("by score", truth, margin),
    )
    said = what.rows.iloc[rows][["deal_id", "investor_id", "event_timestamp"]].reset_index(
        drop=True
    )
    said = said.assign(positive=truth, probability=1 / (1 + np.exp(-margin)))
    return Backtest(tables, said.assign(**{f"score_{k}": v for k, v in scores.items()}), matcher)


def judged_rows(
    frame: pd.DataFrame, *, cutoff: pd.Timestamp, until: pd.Timestamp | None
) -> tuple[Offers, IntArray]:
    """Return the offers and which of them are judged: matured ones of deals shown in the period."""
    end = max(frame[c].max() for c in ("shown_known_at", "positive_known_at", "bought_known_at")
              if frame[c].notna().any())  # fmt: skip
    what = offers_of(frame, known_until=end)
    times = what.rows["event_timestamp"]
    mask = (times >= cutoff).to_numpy() & what.found.matured
    if until is not None:
        mask &= (times < until).to_numpy()
    rows = np.flatnonzero(mask)
    deals = len(np.unique(what.of_deal[rows]))
    if deals < FEWEST_DEALS:
        raise NotEnoughData(f"expected at least {FEWEST_DEALS} deals to judge, got {deals}")
    return what, rows


def table_of(matcher: Matcher, what: Offers, rows: IntArray) -> FloatArray:
    """Return the matrix of rows by the matcher's own factors and habits."""
    return matrix(what, rows, matcher.habits, taste_of(what, rows, matcher.factors))


def lists_of(what: Offers, rows: IntArray) -> Lists:
    """Return rows as lists, a deal each, clustered by the day it was shown."""
    _, first, of = np.unique(what.of_deal[rows], return_index=True, return_inverse=True)
    day = what.rows["event_timestamp"].dt.floor("D").to_numpy()[rows][first]
    _, who = np.unique(what.who[rows], return_inverse=True)
    return Lists(of, what.found.positive[rows], who, int(who.max()) + 1, day)


def _content_alone(
    frame: pd.DataFrame, cutoff: pd.Timestamp, test: FloatArray, *, seed: int, threads: int
) -> FloatArray:
    """Return the scores of trees that know criteria and content, and nothing of who answered what."""
    from hki_ml.learning.packed_trees import pack_lightgbm
    from hki_ml.models.investor_matching.features import fit_habits

    what = offers_of(frame[frame["event_timestamp"] < cutoff], known_until=cutoff)
    rows = np.flatnonzero(what.found.matured)
    truth = what.found.positive[rows]
    habits = fit_habits(what.pool.kind[what.row[rows]], what.deals, what.of_deal[rows], truth)
    seen = [NAMES.index(name) for name in CONTENT_ONLY]
    table = matrix(what, rows, habits, np.zeros(len(rows)))[:, seen]
    params = PARAMS | {"seed": seed, "num_threads": threads}
    return pack_lightgbm(grow(table, truth, params, 150, None)).predict(test[:, seen])


def _calibration(
    title: str, truth: FloatArray, margin: FloatArray, lists: Lists, *, seed: int
) -> Table:
    said = 1 / (1 + np.exp(-margin))
    measures = {
        "dECE": calibration.debiased_ece, "slope": calibration.slope,
        "AUC": classification.auc, "Brier": classification.brier,
    }  # fmt: skip
    weighted = {
        name: (lambda weight, m=measure: m(truth, said, weight))
        for name, measure in measures.items()
    }
    ranges = cluster_bootstrap(weighted, lists.cluster[lists.of], seed=seed, draws=60)
    figures = {k: Figure(m(truth, said, None), *ranges[k]) for k, m in measures.items()}
    figures["answered"] = Figure(float(truth.mean()))
    return Table(title, [Row("ours", len(truth), figures)], is_tall=True)


def _deciles(title: str, truth: FloatArray, margin: FloatArray) -> Table:
    said = 1 / (1 + np.exp(-margin))
    rows = []
    for at, part in enumerate(np.array_split(np.argsort(said, kind="stable"), DECILES)):
        if len(part):
            figures = {
                "said": Figure(float(said[part].mean())),
                "came": Figure(float(truth[part].mean())),
            }
            rows.append(Row(f"tenth {at + 1}", len(part), figures))
    return Table(title, rows)


def losses_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the log loss of each judged offer, as ``Trial.losses`` wants them."""
    p = np.clip(predictions["probability"].to_numpy(np.float64), 1e-6, 1 - 1e-6)
    y = predictions["positive"].to_numpy(np.float64)
    return judged(
        example_id=predictions["deal_id"] + "|" + predictions["investor_id"],
        happened_at=predictions["event_timestamp"],
        entity=predictions["deal_id"],
        outcome=y,
        probability=p,
        loss=-(y * np.log(p) + (1 - y) * np.log1p(-p)),
    )
