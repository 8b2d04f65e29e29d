"""How groups that the law protects fare by what a model said, as checks and as tables of a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from hki_ml.learning.fairness import PREFIX, groups_of
from hki_ml.metrics.groups import FOUR_FIFTHS, ByGroup, against_the_rest, figures, picked_by
from hki_ml.monitoring.check import Check, Rules, settled, unknown

FAVOURS: dict[str, bool] = {"lead_scoring": True, "conversion": True, "risk": False}
"""Models whose odds decide who is called or what is offered → whether high ones are to a person's good."""
GROUPS, UNLIKE = "groups", "groups, how unlike"


def checks_of(rows: pd.DataFrame, groups: pd.DataFrame, *, is_good: bool) -> list[Check]:
    """Return an attribute's impact ratio and opportunity gap with what each group had.

    Parameters
    ----------
    rows
        ``learning.judged`` rows with probabilities; of an entity the first counts.
    groups
        A row an entity, an attribute a column.
    is_good
        Whether high answers are to a person's good.
    """
    one = rows.sort_values("happened_at", kind="stable").drop_duplicates("entity")
    sign = 1.0 if is_good else -1.0
    truth = one["outcome"].to_numpy(np.float64) if is_good else 1 - one["outcome"].to_numpy()
    picked = picked_by(truth, sign * one["probability"].to_numpy(np.float64))
    entity = one["entity"].to_numpy(object)
    found: list[Check] = []
    for attribute in groups.columns:
        group = groups[attribute].reindex(one["entity"]).to_numpy(object)
        found += _checks(str(attribute), ByGroup(group, truth), picked, entity)
    return [settled(check, (), Rules()) for check in found]


def _checks(
    attribute: str, groups: ByGroup, picked: np.ndarray[Any, Any], entity: np.ndarray[Any, Any]
) -> Iterator[Check]:
    subject, n = f"impact ratio, {attribute}", sum(groups.sizes().values())
    if len(groups.levels) < 2:
        why = f"expected two groups of 100 leads or more, got {len(groups.levels)}"
        yield unknown("fairness", subject, n, why)
        return
    both, rest = figures(groups, picked, entity), against_the_rest(groups, picked)
    lowest = min(rest, key=lambda level: rest[level].high or np.inf)
    is_low = (rest[lowest].high or np.inf) < FOUR_FIFTHS
    shares = dict(zip(groups.levels, groups.shares(picked, groups.weights), strict=True))
    detail = {
        "lowest": lowest, "n": groups.sizes(), "share": shares,
        "against_the_rest": {level: figure.as_json() for level, figure in rest.items()},
    }  # fmt: skip
    ratio, gap = both.impact_ratio, both.opportunity_gap
    yield Check(
        "fairness", subject, n, value=ratio.value, lower=ratio.low, upper=ratio.high, reference=1.0,
        threshold=FOUR_FIFTHS, raw_signal=ratio.value < FOUR_FIFTHS, signal=is_low, at_once=is_low,
        detail=detail,
    )  # fmt: skip
    yield Check(
        "fairness", f"opportunity gap, {attribute}", n, value=gap.value, lower=gap.low,
        upper=gap.high, reference=0.0, signal=False,
    )  # fmt: skip


def tables_of(frame: pd.DataFrame, judged: pd.DataFrame, *, is_good: bool) -> dict[str, Any]:
    """Return for a trial's report how each group fared, and how unlike they did; empty if none is known.

    Parameters
    ----------
    frame
        Examples with ``lead_id`` and ``protected_<attribute>``.
    judged
        ``learning.judged`` rows with leads as entities.
    """
    if not groups_of(frame):
        return {}
    known = frame.drop_duplicates("lead_id").set_index("lead_id").filter(regex=f"^{PREFIX}")
    checks = checks_of(
        judged, known.rename(columns=lambda name: name.removeprefix(PREFIX)), is_good=is_good
    )
    levels: dict[str, Any] = {}
    unlike: dict[str, Any] = {}
    for check in checks:
        if check.value is None:
            continue
        what, attribute = check.subject.split(", ", 1)
        row = unlike.setdefault(attribute, {"n": check.n})
        row[what.replace(" ", "_")] = {
            "value": check.value,
            "low": check.lower,
            "high": check.upper,
        }
        for level, n in check.detail.get("n", {}).items():
            levels[f"{attribute}: {level}"] = {
                "n": n, "share_picked": float(check.detail["share"][level]),
                "against_the_rest": check.detail["against_the_rest"][level],
            }  # fmt: skip
    return {GROUPS: levels, UNLIKE: unlike} if unlike else {}
