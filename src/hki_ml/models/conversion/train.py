"""Training: boosted trees over periods with competing ends, as many as tell of later leads."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.errors import NotEnoughData
from hki_ml.learning.admission import admit, admit_table, closings
from hki_ml.learning.lead_features import feature_frame
from hki_ml.learning.lead_labels import closing_within, ends, hide_later, horizon_of, split_leads
from hki_ml.learning.lead_matrix import fit_matrix
from hki_ml.learning.learnable import learnable
from hki_ml.learning.manifest import fingerprint
from hki_ml.learning.packed_trees import PackedTrees, pack_lightgbm
from hki_ml.models.conversion.explain import WITHIN_DAYS, Ladder, reached
from hki_ml.models.conversion.features import STAGE, with_period
from hki_ml.models.conversion.labels import Periods, periods
from hki_ml.models.conversion.predict import ENDINGS, Conversion

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_PERIODS = 300_000
TAUGHT_SHARE = 0.75  # of the leads, the earlier ones, when the number of trees is chosen
MOST_ROUNDS, PATIENCE = 300, 20
USUAL_ROUNDS = 80  # where too few leads came later to choose by
SETTINGS: dict[str, Any] = {
    "objective": "multiclass", "num_class": ENDINGS, "learning_rate": 0.06, "num_leaves": 15,
    "min_data_in_leaf": 200, "lambda_l2": 10.0, "feature_fraction": 0.6, "max_bin": 127,
    "verbosity": -1, "deterministic": True, "force_row_wise": True,
}  # fmt: skip


def train(
    rows: pd.DataFrame, *, as_of: pd.Timestamp, seed: int, threads: int = 1, rounds: int | None = None
) -> Conversion:  # fmt: skip
    """Return a model trained on the landmarks before ``as_of`` by what was known then.

    Parameters
    ----------
    rounds
        How many rounds of trees, chosen before; ``None`` chooses.

    Raises
    ------
    GateRefused
        If a feature is barred or knows the end, or ends are our own predictions; by name.
    NotEnoughData
        If fewer than 30 rows close.
    """
    known = hide_later(rows[rows["event_timestamp"] < as_of], as_of)
    features, truth = learnable(known), closings(known)
    admit(known, features, truth)
    matrix, table = fit_matrix(features, known, horizon_days=horizon_of(known))
    admit_table(known, matrix.names, table, truth)
    if rounds is None:
        rounds = choose_rounds(known, seed=seed, threads=threads)
    taught = periods(ends(known), most=MOST_PERIODS, seed=seed)
    booster = _boost(table, taught, rounds=rounds, seed=seed, threads=threads)
    stage = np.nan_to_num(table[:, matrix.names.index(STAGE)]).astype(np.int64)
    note = {
        "seed": seed, "as_of": as_of.isoformat(), "rows": len(known),
        "leads": int(known["lead_id"].nunique()), "periods": len(taught.row),
        "closed": int((known["outcome"] == "closed").sum()),
        "lost": int((known["outcome"] == "lost").sum()), "rounds": rounds,
        "data_fingerprint": fingerprint({"table": table, "ending": taught.ending}),
    }  # fmt: skip
    return Conversion(
        matrix, packed(booster), int(taught.period.max()), learn_ladder(known, stage),
        booster.model_to_string(), note,
    )  # fmt: skip


def learn_ladder(rows: pd.DataFrame, stage: IntArray) -> Ladder:
    """Return how often leads went on from each stage, by rows whose 90 days have passed."""
    matured = closing_within(rows, WITHIN_DAYS).matured
    furthest, lost = reached(rows, stage)
    return Ladder.learn(stage[matured], furthest[matured], lost[matured])


def choose_rounds(rows: pd.DataFrame, *, seed: int, threads: int) -> int:
    """Return how many rounds tell best of the later leads, encoded as in use: by rates known before."""
    split = split_leads(
        rows, cutoff=cast("pd.Timestamp", rows["created_at"].quantile(TAUGHT_SHARE))
    )
    try:
        earlier = periods(ends(split.teach), most=MOST_PERIODS // 2, seed=seed)
        later = periods(ends(split.test), most=MOST_PERIODS // 2, seed=seed)
    except NotEnoughData:
        return USUAL_ROUNDS
    horizon = horizon_of(split.teach)
    matrix, table = fit_matrix(learnable(split.teach), split.teach, horizon_days=horizon)
    held = matrix.table(feature_frame(split.test))
    booster = _boost(
        table, earlier, rounds=MOST_ROUNDS, seed=seed, threads=threads, later=(held, later)
    )
    return max(int(booster.best_iteration), 5)


def _boost(
    table: FloatArray, taught: Periods, *, rounds: int, seed: int, threads: int,
    later: tuple[FloatArray, Periods] | None = None,
) -> Any:  # fmt: skip
    import lightgbm as lgb

    settings = {**SETTINGS, "seed": seed, "num_threads": threads}
    data = _dataset(table, taught)
    if later is None:
        return lgb.train(settings, data, rounds)
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    held = _dataset(*later, reference=data)
    return lgb.train(settings, data, rounds, valid_sets=[held], callbacks=[stop])


def _dataset(table: FloatArray, taught: Periods, reference: Any = None) -> Any:
    import lightgbm as lgb

    return lgb.Dataset(
        with_period(table, taught.row, taught.period), taught.ending, weight=taught.weight,
        reference=reference, params={"max_bin": SETTINGS["max_bin"]}, free_raw_data=True,
    )  # fmt: skip


def packed(booster: Any) -> tuple[PackedTrees, ...]:
    """Return the trees of each ending; LightGBM keeps them in turn."""
    whole = pack_lightgbm(booster)
    return tuple(_turn(whole, ending) for ending in range(ENDINGS))


def _turn(whole: PackedTrees, ending: int) -> PackedTrees:
    """Keep every third tree with its own nodes; trees lie one after another."""
    starts = np.append(whole.root, len(whole.feature))
    spans = [np.arange(starts[t], starts[t + 1]) for t in range(ending, len(whole.root), ENDINGS)]
    if not spans:
        raise NotEnoughData("expected a round of trees or more, got none")
    kept = np.concatenate(spans)
    moved = np.full(len(whole.feature) + 1, -1, np.int32)
    moved[kept] = np.arange(len(kept), dtype=np.int32)
    return PackedTrees(
        moved[whole.root[ending::ENDINGS]], whole.feature[kept], whole.threshold[kept],
        moved[whole.left[kept]], moved[whole.right[kept]], whole.missing_left[kept], whole.scale,
        whole.is_single,
    )  # fmt: skip
