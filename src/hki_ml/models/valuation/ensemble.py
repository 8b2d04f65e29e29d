"""The three members (boosted trees, forest, network), how they are trained and how they are weighed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from hki_ml.learning.packed_trees import PackedTrees, pack_forest, pack_lightgbm
from hki_ml.models.valuation.features import View
from hki_ml.models.valuation.homes import FloatArray
from hki_ml.models.valuation.network import Network, Schedule, fit_network, torch_prediction

MEMBERS = ("boosted", "forest", "network")
REFERENCE_ROWS = 256
_FOREST_ROWS = 40_000


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work training may take; the defaults meet the time limits on two cores."""

    boosting_rounds: int = 700
    forest_trees: int = 30
    network_rows: int = 800_000
    networks: int = 2
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Reference:
    """Some rows and what LightGBM, scikit-learn and Torch themselves said of them, shape ``(n, 3)``."""

    view: View
    native: FloatArray


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Trained members; each corrects `View.base` (log price)."""

    boosted: PackedTrees
    forest: PackedTrees
    networks: tuple[Network, ...]
    booster_text: str
    reference: Reference

    def members(self, view: View, *, weights: FloatArray | None = None) -> FloatArray:
        """Return each member's correction, shape ``(n, 3)`` in the order of `MEMBERS`.

        A forest that the ``weights`` leave out is not asked; its correction is then 0.
        """
        net = np.zeros(len(view))
        for network in self.networks:
            net += network.predict(view)
        boosted, forest = self.boosted.predict(view.table), np.zeros(len(view))
        if weights is None or weights[MEMBERS.index("forest")] > 0:
            forest = self.forest.predict(view.table)
        return np.column_stack([boosted, forest, net / len(self.networks)])


def boosting_parameters(rows: int, seed: int, threads: int) -> dict[str, Any]:
    """Return LightGBM's settings: absolute error, since prices have tails on both sides."""
    return {
        "objective": "l1", "learning_rate": 0.03, "num_leaves": 64 if rows > 8_000 else 24,
        "min_data_in_leaf": 15, "feature_fraction": 0.3, "bagging_fraction": 0.8, "bagging_freq": 1,
        "lambda_l2": 3.0, "num_threads": threads, "seed": seed, "deterministic": True,
        "force_row_wise": True, "verbose": -1,
    }  # fmt: skip


def fit_booster(table: FloatArray, target: FloatArray, *, seed: int, effort: Effort) -> Any:
    """Train the boosted member as a native LightGBM booster."""
    import lightgbm

    settings = boosting_parameters(len(target), seed, effort.threads)
    rows = lightgbm.Dataset(table, target, params={"verbose": -1})
    return lightgbm.train(settings, rows, effort.boosting_rounds)


def fit_forest(table: FloatArray, target: FloatArray, *, seed: int, effort: Effort) -> Any:
    """Train the forest on the latest rows as a native scikit-learn model.

    Squared error wants a target without tails: it is limited to three robust deviations.
    """
    from sklearn.ensemble import RandomForestRegressor

    limit = 3 * 1.4826 * float(np.median(np.abs(target)))
    forest = RandomForestRegressor(
        effort.forest_trees, min_samples_leaf=4, max_features=0.33, max_samples=0.35,
        n_jobs=effort.threads, random_state=seed,
    )  # fmt: skip
    rows = slice(-_FOREST_ROWS, None)
    return forest.fit(table[rows].astype(np.float32), np.clip(target[rows], -limit, limit))


def fit_ensemble(view: View, target: FloatArray, *, seed: int, effort: Effort) -> Ensemble:
    """Train all members on ``target`` = log price less `View.base`; rows in order of time."""
    import torch

    torch.set_num_threads(1)  # its matrices are small; a second thread mostly waits
    booster = fit_booster(view.table, target, seed=seed, effort=effort)
    forest = fit_forest(view.table, target, seed=seed, effort=effort)
    epochs = int(np.clip(round(effort.network_rows / len(view)), 7, 24))
    count = effort.networks if len(view) < 200_000 else 1
    networks = tuple(
        fit_network(view, target, seed=seed * 100 + i, schedule=Schedule(epochs=epochs))
        for i in range(count)
    )
    some = view.take(np.linspace(0, len(view) - 1, min(REFERENCE_ROWS, len(view))).astype(np.int64))
    native = np.column_stack([
        booster.predict(some.table),
        forest.predict(some.table.astype(np.float32)),
        np.mean([torch_prediction(n, some) for n in networks], axis=0),
    ])  # fmt: skip
    return Ensemble(
        pack_lightgbm(booster), pack_forest(forest), networks, booster.model_to_string(),
        Reference(some, native),
    )  # fmt: skip


def fit_weights(members: FloatArray, truth: FloatArray) -> FloatArray:
    """Return non-negative weights that sum to one with the least mean absolute error.

    All mixtures in steps of a twentieth are tried; a member that does not help gets 0.
    """
    best, found = np.inf, np.array([1.0, 0.0, 0.0])
    for a, b in product(range(21), range(21)):
        if a + b > 20:
            continue
        tried = np.array([a, b, 20 - a - b]) / 20
        error = float(np.mean(np.abs(truth - members @ tried)))
        if error < best - 1e-9:
            best, found = error, tried
    return found
