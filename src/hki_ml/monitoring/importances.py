"""Whether a model still leans on the same columns: how far its answers move when one is shuffled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hki_ml.monitoring.check import Check, Rules, unknown

LEAST_COLUMNS = 5
LEAST_SHARE = 0.01  # below it on both sides a column's rank is chance
STABLE = 0.7
TOP = 5
RULES = Rules()


def importances(
    table: pd.DataFrame,
    names: Sequence[str],
    margin: Callable[[pd.DataFrame], NDArray[np.float64]],
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Return by how much answers move on average when a column is shuffled, by column.

    Permutation importance (Breiman 2001; Fisher et al. 2019) of the answers themselves rather than of
    a loss, so that it can be told before anything comes true.

    Parameters
    ----------
    table
        What the model answers by, a row an example.
    margin
        From such a table to answers on the scale on which reasons add up, shape ``(n,)``.
    """
    random = np.random.default_rng(seed)
    said = margin(table)
    found: dict[str, float] = {}
    for name in names:
        values = table[name].to_numpy()
        if pd.Series(values).nunique(dropna=False) < 2:
            found[name] = 0.0
            continue
        shuffled = table.assign(**{name: values[random.permutation(len(values))]})
        found[name] = float(np.mean(np.abs(margin(shuffled) - said)))
    return found


def stability(
    before: Mapping[str, float], now: Mapping[str, float], *, n: int, rules: Rules = RULES
) -> Check:
    """Return the rank correlation of a model's importances in two windows, by the columns that count.

    A column that one of them lacks counts as 0 there; one with less than 1 % on both sides is passed
    over. Signals below .7; the detail names the columns whose share changed most.

    Parameters
    ----------
    n
        Rows of the later window.
    """
    subject = "order of columns"
    if n < rules.least_rows:
        return unknown("importance", subject, n, f"{n} rows, expected at least {rules.least_rows}")
    names = sorted({*before, *now})
    first, second = (_shares(names, each) for each in (before, now))
    counts = np.maximum(first, second) >= LEAST_SHARE
    if counts.sum() < LEAST_COLUMNS:
        why = f"{counts.sum()} columns count, expected at least {LEAST_COLUMNS}"
        return unknown("importance", subject, n, why)
    first, second = first[counts], second[counts]
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return unknown("importance", subject, n, "all columns count alike")
    agreed = float(spearmanr(first, second).statistic)
    named = [name for name, is_kept in zip(names, counts, strict=True) if is_kept]
    moved = sorted(zip(named, second - first, strict=True), key=lambda each: -abs(each[1]))
    return Check(
        "importance", subject, n, value=agreed, reference=1.0, threshold=STABLE,
        raw_signal=agreed < STABLE, signal=agreed < STABLE,
        detail={
            "columns": len(named),
            "moved": {name: float(by) for name, by in moved[:TOP]},
            "most": {named[at]: float(second[at]) for at in np.argsort(-second)[:TOP]},
        },
    )  # fmt: skip


def _shares(
    names: list[str], importance: Mapping[str, float]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    found = np.array([abs(importance.get(name, 0.0)) for name in names])
    return np.asarray(found / max(found.sum(), 1e-12), np.float64)
