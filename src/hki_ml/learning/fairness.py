"""What may not be learned from: attributes that the law protects, whatever they are called."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_features import FACT_PREFIX
from hki_ml.metrics.classification import auc
from hki_ml.metrics.groups import large
from hki_ml.protected import why_protected

FloatArray = NDArray[np.float64]
Groups = Mapping[str, NDArray[np.object_]]
"""Protected attribute → the group of each row (text, ``None`` for unknown)."""

PREFIX = "protected_"
TOLD_APART = 0.95  # an AUC from which on a feature is the attribute under another name
_CELLS = 40


def groups_of(rows: pd.DataFrame) -> dict[str, NDArray[np.object_]]:
    """Return the protected attributes that rows carry for audits (columns ``protected_<name>``)."""
    names = [name for name in rows.columns if str(name).startswith(PREFIX)]
    return {str(name).removeprefix(PREFIX): rows[name].to_numpy(object) for name in names}


def why_barred(features: pd.DataFrame, groups: Groups) -> tuple[str, ...]:
    """Return a sentence a feature that is a protected attribute, by its name, its values or its cut.

    Parameters
    ----------
    features
        ``lead_features.feature_frame``.
    groups
        Protected attributes of the same rows, if any are known: a feature that tells one group from
        the rest almost perfectly is that attribute, whatever it is called.
    """
    found = []
    for name in features.columns:
        values = features[name]
        called = str(name).removeprefix(FACT_PREFIX)
        reason = _by_what_it_says(called, values) if str(name).startswith(FACT_PREFIX) else None
        if reason is None:
            told = told_apart(values, groups)
            worst = max(told, key=lambda key: told[key], default=None)
            if worst is not None and told[worst] >= TOLD_APART:
                reason = (
                    f"{called!r} tells {worst[0]} {worst[1]!r} from the rest with an AUC of "
                    f"{told[worst]:.3f}: it is the protected attribute under another name"
                )
        if reason is not None:
            found.append(reason)
    return tuple(found)


def _by_what_it_says(name: str, values: pd.Series) -> str | None:
    reason = why_protected(name)
    if reason is None and values.dtype == object:
        levels = values.dropna().unique()
        reason = next((r for level in levels if (r := why_protected(name, level))), None)
    return reason


def told_apart(values: pd.Series, groups: Groups) -> dict[tuple[str, str], float]:
    """Return how well one feature tells each group of at least 100 from the rest: an AUC each.

    Learned on every other row and measured on the rest; codes need not be in any order.
    """
    cell = _cells(values)
    is_learned = np.arange(len(values)) % 2 == 0
    found = {}
    for attribute, group in groups.items():
        known = np.array([value is not None and value == value for value in group])  # noqa: PLR0124
        for level in large(group):
            inside = (group == level).astype(np.float64)
            taught, judged = known & is_learned, known & ~is_learned
            count = np.bincount(cell[taught], minlength=cell.max() + 1)
            hits = np.bincount(cell[taught], inside[taught], minlength=cell.max() + 1)
            rate = (hits + inside[known].mean()) / (count + 1.0)
            found[attribute, level] = auc(inside[judged], rate[cell[judged]])
    return {key: value for key, value in found.items() if value == value}  # noqa: PLR0124


def _cells(values: pd.Series) -> NDArray[np.int64]:
    """Return which level, or which of 40 quantile cells, each value is in; few numbers are levels."""
    if values.dtype == object or values.nunique() <= _CELLS:
        code, _ = pd.factorize(values, use_na_sentinel=False)
        return code.astype(np.int64)
    number = values.to_numpy(np.float64)
    edges = np.unique(np.nanquantile(number, np.linspace(0, 1, _CELLS + 1)[1:-1]))
    return np.where(np.isnan(number), len(edges) + 1, np.searchsorted(edges, number, side="right"))
