"""What we measure ourselves against: one gradient booster on plain facts, as anybody would start."""

from __future__ import annotations

import numpy as np

from hki_ml.models.valuation.core import SaleBook
from hki_ml.models.valuation.ensemble import Effort
from hki_ml.models.valuation.homes import FloatArray, Homes

_FREE_LEVELS = 1_000


def boosting_alone(book: SaleBook, homes: Homes, *, seed: int, effort: Effort) -> FloatArray:
    """Return log values by LightGBM alone: facts, place, categories and the day, 900 trees, no market index.

    The untuned model behind the anchor figures of the design's data page.
    """
    import lightgbm

    levels = {n: _levels(book.homes, n) for n in sorted(book.homes.categories)}
    taught, asked = _plain(book.homes, levels), _plain(homes, levels)
    settings = {
        "objective": "l2", "learning_rate": 0.04, "num_leaves": 40, "min_data_in_leaf": 15,
        "feature_fraction": 0.7, "bagging_fraction": 0.8, "bagging_freq": 1, "seed": seed,
        "num_threads": effort.threads, "deterministic": True, "force_row_wise": True, "verbose": -1,
    }  # fmt: skip
    count = len(book.homes.numbers) + 1
    rows = lightgbm.Dataset(
        taught, book.log_price, params={"verbose": -1},
        categorical_feature=list(range(count, taught.shape[1])),
    )  # fmt: skip
    return np.asarray(lightgbm.train(settings, rows, effort.boosting_rounds).predict(asked))


def _levels(homes: Homes, name: str) -> dict[str, int]:
    seen = [v for v in homes.category(name) if v is not None]
    names, counts = np.unique(np.array(seen, dtype=str), return_counts=True)
    most = np.sort(np.argsort(-counts, kind="stable")[:_FREE_LEVELS])
    return {str(names[i]): j for j, i in enumerate(most)}


def _plain(homes: Homes, levels: dict[str, dict[str, int]]) -> FloatArray:
    columns = [homes.day.astype(np.float64)]
    columns += [homes.number(n) for n in sorted(homes.numbers)]
    for name, code in levels.items():
        found = [np.nan if v is None else code.get(v, np.nan) for v in homes.category(name)]
        columns.append(np.array(found, dtype=np.float64))
    return np.column_stack(columns)
