"""XGBoost and LightGBM under one roof: the same trees, directions and starting points for both."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.packed_trees import PackedTrees, pack_lightgbm, pack_xgboost

FloatArray = NDArray[np.float64]
XGBOOST, LIGHTGBM = "xgboost", "lightgbm"
CHECKED = 256


@dataclass(frozen=True, slots=True)
class Recipe:
    """How trees are grown; the same words for both libraries.

    Attributes
    ----------
    library
        ``"xgboost"`` or ``"lightgbm"``.
    depth
        Facts that one tree may combine; 1 makes the model additive.
    follows_rate
        Whether trees start from how often leads closed of late, as known at each row's moment.
    without
        Columns that the trees may not see.
    leans
        Whether trees start from a logistic regression on the same columns, added to that.
    rounds
        How many trees.
    """

    library: str
    depth: int
    follows_rate: bool
    without: tuple[str, ...] = ()
    rounds: int = 400
    rate: float = 0.08
    leaf_rows: int = 100
    ridge: float = 1.0
    leans: bool = False

    @property
    def name(self) -> str:
        """What the comparison calls it."""
        parts = [self.library, f"depth {self.depth}"]
        parts += ["rate followed"] if self.follows_rate else []
        parts += ["from a regression"] if self.leans else []
        parts += ["without " + ", ".join(self.without)] if self.without else []
        return ", ".join(parts)

    def described(self) -> dict[str, Any]:
        """Return everything for a JSON file."""
        return asdict(self) | {"without": list(self.without)}


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Rows of a matrix with what came of them.

    Attributes
    ----------
    table
        Shape ``(n, columns)``.
    closed
        0 or 1, shape ``(n,)``.
    weight
        What each row counts, shape ``(n,)``.
    start
        Log-odds that the trees start from, shape ``(n,)``.
    """

    table: FloatArray
    closed: FloatArray
    weight: FloatArray
    start: FloatArray

    def take(self, rows: NDArray[Any]) -> Lesson:
        """Return some of the rows."""
        return Lesson(self.table[rows], self.closed[rows], self.weight[rows], self.start[rows])

    def masked(self, columns: NDArray[np.bool_]) -> Lesson:
        """Return the rows with all but some columns unknown."""
        return replace(self, table=np.where(columns, self.table, np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """Trees as arrays and in the library's own text, the loss on judged rows tree by tree, and a check.

    ``check`` is up to 256 rows and what the library itself says of them, without where trees start.
    """

    trees: PackedTrees
    text: str
    path: FloatArray
    check: tuple[FloatArray, FloatArray]


def grow(
    recipe: Recipe,
    lesson: Lesson,
    directions: NDArray[np.int64],
    *,
    judge: Lesson | None = None,
    seed: int,
    threads: int,
) -> Grown:
    """Grow trees; ``directions`` says of each column whether more of it may only raise (1) or lower (-1)."""
    make = _xgboost if recipe.library == XGBOOST else _lightgbm
    return make(recipe, lesson, directions, judge=judge, seed=seed, threads=threads)


def _xgboost(
    recipe: Recipe, lesson: Lesson, directions: NDArray[np.int64], *,
    judge: Lesson | None, seed: int, threads: int,
) -> Grown:  # fmt: skip
    import xgboost

    def matrix(rows: Lesson) -> Any:
        return xgboost.DMatrix(
            rows.table, rows.closed, weight=rows.weight, base_margin=rows.start, nthread=threads
        )

    record: dict[str, Any] = {}
    booster = xgboost.train(
        {
            "objective": "binary:logistic", "eval_metric": "logloss", "tree_method": "hist",
            "max_depth": recipe.depth, "learning_rate": recipe.rate, "subsample": 0.8,
            "colsample_bytree": 0.7, "min_child_weight": recipe.leaf_rows / 8,
            "reg_lambda": recipe.ridge, "monotone_constraints": tuple(directions.tolist()),
            "max_bin": 128, "seed": seed, "nthread": threads, "verbosity": 0,
        },
        matrix(lesson),
        recipe.rounds,
        evals=[] if judge is None else [(matrix(judge), "judge")],
        evals_result=record,
        verbose_eval=False,
    )  # fmt: skip
    path = np.array(record["judge"]["logloss"] if judge is not None else [])
    text = booster.save_raw("json").decode()
    rows = np.ascontiguousarray(lesson.table[:CHECKED])
    asked = xgboost.DMatrix(rows, base_margin=np.zeros(len(rows)), nthread=threads)
    native = booster.predict(asked, output_margin=True).astype(np.float64)
    return Grown(pack_xgboost(booster), text, path, (rows, native))


def _lightgbm(
    recipe: Recipe, lesson: Lesson, directions: NDArray[np.int64], *,
    judge: Lesson | None, seed: int, threads: int,
) -> Grown:  # fmt: skip
    import lightgbm

    settings = {
        "objective": "binary", "metric": "binary_logloss", "max_depth": recipe.depth,
        "num_leaves": 2**recipe.depth, "learning_rate": recipe.rate, "bagging_fraction": 0.8,
        "bagging_freq": 1, "feature_fraction": 0.7, "min_data_in_leaf": recipe.leaf_rows,
        "lambda_l2": recipe.ridge, "monotone_constraints": directions.tolist(),
        "monotone_constraints_method": "intermediate", "max_bin": 127,
        "boost_from_average": False, "seed": seed, "num_threads": threads, "verbosity": -1,
        "deterministic": True, "force_row_wise": True, "feature_pre_filter": False,
    }  # fmt: skip

    def dataset(rows: Lesson, of: Any = None) -> Any:
        return lightgbm.Dataset(
            rows.table, rows.closed, weight=rows.weight, init_score=rows.start, reference=of,
            params={"verbosity": -1, "max_bin": 127, "feature_pre_filter": False},
        )  # fmt: skip

    record: dict[str, Any] = {}
    taught = dataset(lesson)
    booster = lightgbm.train(
        settings,
        taught,
        recipe.rounds,
        valid_sets=[] if judge is None else [dataset(judge, taught)],
        valid_names=[] if judge is None else ["judge"],
        callbacks=[] if judge is None else [lightgbm.record_evaluation(record)],
    )
    path = np.array(record["judge"]["binary_logloss"] if judge is not None else [])
    rows = np.ascontiguousarray(lesson.table[:CHECKED])
    native = np.asarray(booster.predict(rows, raw_score=True), np.float64)
    return Grown(pack_lightgbm(booster), booster.model_to_string(), path, (rows, native))
