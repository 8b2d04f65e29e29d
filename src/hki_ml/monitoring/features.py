"""Which columns of a window are not as they were when the model learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from hki_ml.monitoring.check import Check, Rules, unknown
from hki_ml.monitoring.distance import (
    Moved,
    categories,
    false_discovery_adjusted,
    numbers,
    psi_by_chance,
)

FloatArray = NDArray[np.float64]
RULES = Rules()
BEYOND = 1.25  # times its habit, before a move of a column counts
LEAST_WINDOWS = 3
MANY = 50  # distinct values: more of them in text are names, not categories


@dataclass(frozen=True, slots=True)
class Habits:
    """What columns do from window to window while nothing is wrong, from windows of the reference.

    A column that says the month, or an area's prices, differs in every window from the year around
    it; it has to move more than it ever did.

    Attributes
    ----------
    effect
        Largest move of each column in any of those windows against all of the others.
    missing
        Largest share of missing values in any of them.
    still
        Columns that were constant in one of them.
    """

    effect: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    still: frozenset[str] = frozenset()


NO_HABITS = Habits()


def habits_of(
    windows: Sequence[pd.DataFrame], columns: Sequence[str], *, rules: Rules = RULES
) -> Habits:
    """Return the habits of columns over windows; of fewer than three windows there are none."""
    told = [each for each in windows if len(each) >= rules.least_rows]
    if len(told) < LEAST_WINDOWS:
        return NO_HABITS
    effect: dict[str, float] = {}
    still = set()
    for column in columns:
        for place, window in enumerate(told):
            others = pd.concat([each[column] for i, each in enumerate(told) if i != place])
            now = window[column].dropna()
            if min(len(now), others.notna().sum()) < rules.least_rows:
                continue
            effect[column] = max(effect.get(column, 0.0), _moved(others, now).effect)
            if now.nunique() == 1:
                still.add(column)
    missing = {name: max(float(each[name].isna().mean()) for each in told) for name in columns}
    return Habits(effect, missing, frozenset(still))


def feature_drift(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[str], *, rules: Rules = RULES,
    habits: Habits = NO_HABITS,
) -> list[Check]:  # fmt: skip
    """Return one check a column: has its distribution moved by more than matters?

    A signal needs both: false-discovery-adjusted p below the level over all columns, and an effect
    (KS distance or change of a category's share) above ``least_effect`` and above what the column
    does by habit. The raw signal is p < .05 alone. ``settled`` makes an alarm of signals that last.

    Parameters
    ----------
    reference, current
        One row an entity; what is missing is judged by ``missing_values`` instead.
    """
    found: list[Check] = []
    moved: list[tuple[int, Moved]] = []
    for column in columns:
        n = int(current[column].notna().sum())
        least = min(n, int(reference[column].notna().sum()))
        if least < rules.least_rows:
            why = f"{least} values, expected at least {rules.least_rows}"
            found.append(unknown("feature_drift", column, n, why))
            continue
        moved.append((len(found), _moved(reference[column], current[column])))
        found.append(Check("feature_drift", column, n))
    adjusted = false_discovery_adjusted(np.array([each.p for _, each in moved]))
    for (place, move), p in zip(moved, adjusted, strict=True):
        usual = habits.effect.get(found[place].subject, 0.0)
        found[place] = _judged(found[place], move, float(p), (rules, usual))
    return found


def _judged(check: Check, move: Moved, adjusted: float, by: tuple[Rules, float]) -> Check:
    rules, usual = by
    line = max(rules.least_effect, usual * BEYOND)
    chance, threshold = psi_by_chance(
        move.reference, check.n, level=rules.tail * 10, draws=rules.draws
    )
    is_large = move.psi > max(rules.plain_psi, threshold) and move.effect > 2 * usual
    signal = adjusted < rules.false_discoveries and move.effect > line
    detail = {
        "p": move.p,
        "p_adjusted": adjusted,
        "psi": move.psi,
        "psi_by_chance": chance,
        "psi_threshold": threshold,
        "usual_effect": usual,
    }
    return replace(
        check,
        value=move.effect,
        reference=0.0,
        threshold=line,
        raw_signal=move.p < rules.raw_ks_p or move.psi > rules.raw_psi,
        signal=signal,
        at_once=signal and is_large,
        detail=detail,
    )


def _moved(reference: pd.Series, current: pd.Series) -> Moved:
    before, now = reference.dropna(), current.dropna()
    if is_number(before):
        return numbers(before.to_numpy(np.float64), now.to_numpy(np.float64))
    first, second = counted(before, now)
    return categories(first.to_numpy(np.float64), second.to_numpy(np.float64))


def is_number(column: pd.Series) -> bool:
    """Tell whether a column holds numbers; truth values count as such."""
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def counted(reference: pd.Series, current: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return how often each category was seen then and now, in one order."""
    first, second = (each.dropna().astype(str).value_counts() for each in (reference, current))
    names = first.index.union(second.index)
    return first.reindex(names, fill_value=0), second.reindex(names, fill_value=0)


def missing_values(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[str], *, rules: Rules = RULES,
    habits: Habits = NO_HABITS,
) -> list[Check]:  # fmt: skip
    """Return one check a column: is more of it missing, or has it gone still?

    A column that is not there at all is missing throughout. The interval is Newcombe's of the
    difference's window share alone (Wilson 1927). What breaks here is a feed or a join.
    """
    found = []
    for column in columns:
        n = len(current)
        if min(n, len(reference)) < rules.least_rows:
            why = f"{n} rows, expected at least {rules.least_rows}"
            found.append(unknown("data_quality", f"missing:{column}", n, why))
            continue
        before = float(reference[column].isna().mean()) if column in reference else 1.0
        now = float(current[column].isna().mean()) if column in current else 1.0
        usual = max(before, habits.missing.get(column, 0.0))
        found.append(_missing(column, (n, len(reference)), (before, now, usual), rules))
        if column in current and column in reference and column not in habits.still:
            found.extend(_still(column, reference[column], current[column], rules))
    return found


def _missing(
    column: str, rows: tuple[int, int], shares: tuple[float, float, float], rules: Rules
) -> Check:
    (n, m), (before, now, usual) = rows, shares
    pooled = (before * m + now * n) / (m + n)
    error = float(np.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / n + 1 / m)))
    p = float(norm.sf((now - before) / error))
    half = 1.959964 * float(np.sqrt(max(now * (1 - now), 1e-12) / n))
    signal = now - usual > rules.missing_more and p < rules.tail
    return Check(
        "data_quality",
        f"missing:{column}",
        n,
        value=now,
        lower=max(now - half, 0.0),
        upper=min(now + half, 1.0),
        reference=before,
        threshold=usual + rules.missing_more,
        raw_signal=p < rules.raw_ks_p,
        signal=signal,
        at_once=signal and now - usual > rules.missing_at_once,
        detail={"p": p},
    )


def _still(column: str, reference: pd.Series, current: pd.Series, rules: Rules) -> list[Check]:
    """Return a check of whether one value is all that is left of a column that had several."""
    before, now = reference.dropna(), current.dropna()
    if before.nunique() < 2 or len(now) < rules.least_rows:
        return []
    commonest = float(before.value_counts(normalize=True).iloc[0])
    share = float(now.value_counts(normalize=True).iloc[0])
    # Of a column that nearly always says the same, sameness is no news: chance it with the reference.
    is_odd = commonest ** len(now) < rules.tail
    signal = share == 1.0 and is_odd
    return [
        Check(
            "data_quality", f"constant:{column}", len(now), value=share, reference=commonest,
            threshold=1.0, raw_signal=share == 1.0, signal=signal, at_once=signal,
        )
    ]  # fmt: skip


def category_changes(
    reference: pd.DataFrame, current: pd.DataFrame, columns: Sequence[str], *, rules: Rules = RULES
) -> list[Check]:
    """Return one check a column of categories: has one vanished, or come that nobody learned from?

    Vanished: at least ``least_expected`` rows were to be expected and none came. New: more than
    ``new_share`` of the rows, and more than five.
    """
    found = []
    for column in columns:
        before, now = reference[column].dropna(), current[column].dropna()
        if is_number(reference[column]) or not 2 <= before.nunique() <= MANY:
            continue
        if min(len(before), len(now)) < rules.least_rows:
            why = f"{len(now)} values, expected at least {rules.least_rows}"
            found.append(unknown("data_quality", f"categories:{column}", len(now), why))
            continue
        first, second = counted(before, now)
        expected = first / first.sum() * len(now)
        gone = first.index[(expected >= rules.least_expected) & (second == 0)].tolist()
        least = max(rules.new_share * len(now), 5)
        new = first.index[(first == 0) & (second > least)].tolist()
        odd = bool(gone or new)
        found.append(
            Check(
                "data_quality", f"categories:{column}", len(now), value=float(len(gone) + len(new)),
                reference=0.0, threshold=0.0, raw_signal=bool(((first == 0) | (second == 0)).any()),
                signal=odd, at_once=odd, detail={"vanished": gone, "new": new},
            )
        )  # fmt: skip
    return found
