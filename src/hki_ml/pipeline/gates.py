"""What a candidate has to show beside the champion, each gate a pure function over judged rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hki_ml.learning.judged import HELD
from hki_ml.metrics.calibration import debiased_ece
from hki_ml.metrics.classification import auc_gain
from hki_ml.metrics.groups import (
    FOUR_FIFTHS,
    ByGroup,
    Figures,
    Treatment,
    changes,
    picked_by,
)
from hki_ml.metrics.paired import Gap, gap

FEWEST_ENTITIES = 200
FEWEST_OF_EACH = 30  # examples that came true, and that did not
MARGIN = 0.02  # "as good": a loss at most this share of the champion's higher
SEGMENT_MARGIN = 0.10  # the same within a segment, where there is less to see by
FEWEST_IN_SEGMENT = 200  # entities; smaller segments are told and decide nothing
COVERAGE_MARGIN = 1.5  # points by which intervals may be further from what they say
CALIBRATION_MARGIN = 0.02  # by how much the debiased calibration error may be higher
FEWEST_EXAMPLES_KEPT = 0.8  # of what the champion was trained on
WIDER_GAP = (
    0.10  # of shares picked among those that come true, from which on a wider one is refused
)
SLOWER = 2.0  # times the champion's CPU that an answer may take
LEAST_BUDGET_US = 200.0  # of CPU a row, below which nobody waits: a call may take 200 ms
OUTCOMES_DIFFER = 0.001  # share of common examples whose outcome may have been corrected

BETTER, AS_GOOD, WORSE, UNCLEAR = "better", "as good", "worse", "insufficient evidence"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models did on the same later examples.

    ``finding`` is one of ``better``, ``as good``, ``worse`` and ``insufficient evidence``; ``refusals``
    are gates that the candidate fails whatever it is on average.
    """

    finding: str
    reasons: tuple[str, ...]
    refusals: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Protected:
    """Groups that the law protects: a row an entity, an attribute a column, ``None`` for unknown.

    ``is_good`` tells whether a high answer is to a person's good.
    """

    groups: pd.DataFrame
    is_good: bool


def compare(
    candidate: pd.DataFrame, champion: pd.DataFrame, *, protected: Protected | None = None
) -> Comparison:
    """Judge a candidate against the champion on the examples that both were judged on.

    Both frames are `hki_ml.learning.judged.judged` rows. Better: the 95 % interval of the mean
    difference in loss, over whole entities, lies below 0. As good: it lies below ``MARGIN`` of the
    champion's loss. Worse: above 0.
    """
    pairs = candidate.merge(champion, on="example_id", suffixes=("", "_champion"))
    changed = _changed_label(pairs)
    if changed:
        return Comparison(UNCLEAR, (), (changed,), {"n": len(pairs)})
    few = too_few(pairs)
    if few:
        return Comparison(UNCLEAR, (few,), (), {"n": len(pairs)})
    difference = (pairs["loss"] - pairs["loss_champion"]).to_numpy(np.float64)
    found = gap(difference, pairs["entity"].to_numpy(object))
    theirs = float(pairs["loss_champion"].mean())
    finding, reason = _finding(found, theirs)
    segments, behind = _segments(pairs, difference)
    calibration, off = _calibration(pairs)
    intervals, loose = _intervals(pairs)
    treated, unlike = ({}, []) if protected is None else _treated(pairs, protected)
    evidence = {
        "loss": {**asdict(found), "champion": theirs}, "segments": segments,
        **calibration, **intervals, **treated,
    }  # fmt: skip
    return Comparison(finding, (reason,), (*behind, *off, *loose, *unlike), evidence)


def too_few(pairs: pd.DataFrame) -> str | None:
    """Return why there is too little to compare two models by, if there is."""
    entities = pairs["entity"].nunique()
    if entities < FEWEST_ENTITIES:
        return (
            f"insufficient evidence: expected at least {FEWEST_ENTITIES} later entities that both "
            f"models have not seen, got {entities}"
        )
    if not pairs["probability"].isna().all():
        each = min((pairs["outcome"] == 1).sum(), (pairs["outcome"] == 0).sum())
        if each < FEWEST_OF_EACH:
            return (
                f"insufficient evidence: expected at least {FEWEST_OF_EACH} later examples of each "
                f"outcome, got {each}"
            )
    return None


def _changed_label(pairs: pd.DataFrame) -> str | None:
    """Return why the two were not taught the same thing, if they were not."""
    if "outcome_champion" not in pairs or not len(pairs):
        return None
    ours, theirs = pairs["outcome"].to_numpy(), pairs["outcome_champion"].to_numpy()
    both = ~(
        np.isnan(ours) | np.isnan(theirs)
    )  # what was open then and has ended since is no change
    if not both.any():
        return None
    differ = float(np.mean(~np.isclose(ours[both], theirs[both], rtol=1e-6)))
    if differ <= OUTCOMES_DIFFER:
        return None
    return (
        f"changed label: {differ:.1%} of {len(pairs)} examples that both were judged on have "
        "another outcome now; a figure before and after would not mean the same"
    )


def _finding(found: Gap, theirs: float) -> tuple[str, str]:
    said = (
        f"loss {found.mean:+.5f} [{found.low:+.5f}, {found.high:+.5f}] beside the champion's "
        f"{theirs:.5f}, n {found.n} of {found.entities}"
    )
    if found.high < 0:
        return BETTER, f"better: {said}"
    if found.low > 0:
        return WORSE, f"worse: {said}"
    if found.high <= MARGIN * theirs:
        return AS_GOOD, f"as good, not better: {said}"
    needed = math.ceil(found.entities * (1.96 * found.error / (MARGIN * theirs)) ** 2)
    return UNCLEAR, (
        f"insufficient evidence: {said}; to tell {MARGIN:.0%} apart takes about {needed} entities"
    )


def _segments(
    pairs: pd.DataFrame, difference: np.ndarray[Any, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the gap in each segment, and where the candidate was not shown to be as good."""
    told, behind = [], []
    for name, rows in pairs.groupby("segment", sort=True).indices.items():
        some = pairs.iloc[rows]
        entities = some["entity"].nunique()
        if entities < FEWEST_IN_SEGMENT:
            told.append({"segment": str(name), "entities": int(entities), "judged": False})
            continue
        found = gap(difference[rows], some["entity"].to_numpy(object), confidence=0.90)
        allowed = SEGMENT_MARGIN * float(some["loss_champion"].mean())
        told.append({"segment": str(name), **asdict(found), "judged": True})
        if found.high > allowed:
            behind.append(
                f"segment {name}: expected a loss higher by at most {allowed:.5f}, its interval "
                f"reaches {found.high:+.5f} (n {found.n})"
            )
    return told, behind


def _calibration(pairs: pd.DataFrame) -> tuple[dict[str, Any], list[str]]:
    """Return AUC and calibration of both where they say probabilities, and what fails."""
    if pairs["probability"].isna().any() or pairs["probability_champion"].isna().any():
        return {}, []
    truth = pairs["outcome"].to_numpy(np.float64)
    ours = pairs["probability"].to_numpy(np.float64)
    theirs = pairs["probability_champion"].to_numpy(np.float64)
    gain, (low, high) = auc_gain(truth, ours, theirs)
    off = {"candidate": debiased_ece(truth, ours), "champion": debiased_ece(truth, theirs)}
    evidence = {"auc_gain": {"value": gain, "low": low, "high": high}, "calibration_error": off}
    if off["candidate"] <= off["champion"] + CALIBRATION_MARGIN:
        return evidence, []
    allowed = off["champion"] + CALIBRATION_MARGIN
    why = f"calibration: expected a debiased error of at most {allowed:.3f}, got {off['candidate']:.3f}"
    return evidence, [why]


def _intervals(pairs: pd.DataFrame) -> tuple[dict[str, Any], list[str]]:
    """Return how often the intervals of both held, and where the candidate's are worse."""
    found: dict[str, Any] = {}
    off = []
    for level, name in HELD.items():
        if name not in pairs or f"{name}_champion" not in pairs:
            continue
        both = pairs[[name, f"{name}_champion"]].dropna().astype(bool)
        ours, theirs = (100 * float(both[column].mean()) for column in both)
        found[f"coverage_{level}"] = {"candidate": ours, "champion": theirs}
        if abs(ours - level) > abs(theirs - level) + COVERAGE_MARGIN:
            off.append(
                f"coverage: expected the {level} % intervals within "
                f"{abs(theirs - level) + COVERAGE_MARGIN:.1f} points of it, got {ours:.1f} %"
            )
    return found, off


def _treated(pairs: pd.DataFrame, by: Protected) -> tuple[dict[str, Any], list[str]]:
    """Return how both treat protected groups, by each entity's first example, and what fails.

    Refused is what is unlike enough to look at and shown to be more so than the champion's.
    """
    one = pairs.sort_values("happened_at", kind="stable").drop_duplicates("entity")
    if one[["probability", "probability_champion"]].isna().any(axis=None):
        return {}, []
    truth = one["outcome"].to_numpy(np.float64)
    truth, sign = (truth, 1.0) if by.is_good else (1 - truth, -1.0)
    ours, theirs = (
        picked_by(truth, sign * one[name].to_numpy(np.float64))
        for name in ("probability", "probability_champion")
    )
    told: dict[str, Any] = {}
    failed = []
    for name in by.groups.columns:
        groups = ByGroup(by.groups[name].reindex(one["entity"]).to_numpy(object), truth)
        if len(groups.levels) < 2:
            continue
        mine, its = groups.treatment(ours), groups.treatment(theirs)
        change = changes(groups, ours, theirs, one["entity"].to_numpy(object))
        told[str(name)] = {
            "candidate": mine.as_json(), "champion": its.as_json(), "n": groups.sizes(),
            "impact_ratio": change.impact_ratio.as_json(),
            "opportunity_gap": change.opportunity_gap.as_json(),
        }  # fmt: skip
        failed += _less_fair(str(name), mine, its, change)
    return ({"groups": told} if told else {}), failed


def _less_fair(name: str, ours: Treatment, theirs: Treatment, change: Figures) -> list[str]:
    found = []
    if ours.impact_ratio < FOUR_FIFTHS and (change.impact_ratio.high or 0.0) < 0:
        found.append(
            f"groups of {name}: expected an impact ratio of {FOUR_FIFTHS:g} or the champion's "
            f"{theirs.impact_ratio:.3f}, got {ours.impact_ratio:.3f} ({change.impact_ratio})"
        )
    if ours.opportunity_gap > WIDER_GAP and (change.opportunity_gap.low or 0.0) > 0:
        found.append(
            f"groups of {name}: expected an opportunity gap of at most {WIDER_GAP:g} or the "
            f"champion's {theirs.opportunity_gap:.3f}, got {ours.opportunity_gap:.3f} "
            f"({change.opportunity_gap})"
        )
    return found


def slower(candidate: float, champion: float) -> str | None:
    """Return why a candidate answers too slowly to replace the champion, in CPU microseconds a row."""
    allowed = max(SLOWER * champion, LEAST_BUDGET_US)
    if candidate <= allowed:
        return None
    return (
        f"latency: expected at most {allowed:.0f} us of CPU a row ({SLOWER:g} times the champion's "
        f"{champion:.0f}, or {LEAST_BUDGET_US:g}), got {candidate:.0f}"
    )


def shrunken(candidate: Mapping[str, str], champion: Mapping[str, str]) -> str | None:
    """Return why a candidate that was taught by much less may not replace the champion.

    Both are the tags of a version; without a count in both there is nothing to compare.
    """
    if "examples" not in candidate or "examples" not in champion:
        return None
    ours, theirs = int(candidate["examples"]), int(champion["examples"])
    if ours >= FEWEST_EXAMPLES_KEPT * theirs:
        return None
    return (
        f"shrunken data: expected at least {FEWEST_EXAMPLES_KEPT:.0%} of the {theirs} examples that "
        f"the champion was taught by, got {ours}"
    )
