"""What of a lead moves with the clock, derived at the moment of the question from stored moments.

One definition for training, batch and online: a million leads and one go through the same kernel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KINDS: tuple[str, ...] = (
    "lead.contacted",
    "lead.replied",
    "lead.visited",
    "lead.appointment_set",
    "lead.offer_made",
    "lead.contract_signed",
)
"""Kinds of activity; a stored moment names one by its place here."""

STAGES: tuple[str, ...] = ("new", "contacted", "appointment", "offer", "contract")
STAGE_OF_KIND: tuple[int, ...] = (1, 0, 0, 2, 3, 4)
"""Which stage an activity reaches; a reply or a visit reaches none of its own."""

WINDOWS_DAYS: tuple[int, ...] = (1, 7, 30, 90)
COUNTED: tuple[str, ...] = ("contacts", "replies", "visits")
HALF_LIFE_DAYS = 14.0
WEIGHTS: tuple[float, ...] = (0.25, 3.0, 1.0, 4.0, 2.0, 4.0)
"""What one activity of each kind is worth when it is fresh; what the lead does counts, not what we do."""
FULL_ENGAGEMENT = 6.0  # this much, all of it fresh, is 63 of 100

CLOCK_FEATURES: tuple[str, ...] = (
    *(f"engagement_{what}_count_{days}d" for what in COUNTED for days in WINDOWS_DAYS),
    "lead_engagement_score",
    "lead_recency",
    "recency_two_way_days",
    "recency_contact_days",
    "history_stage",
    "history_stage_days",
    "history_age_days",
    "history_contacts_unanswered",
)
"""The derived columns, in the order of ``at_moment``'s columns.

``lead_engagement_score`` 0 to 100; ``lead_recency`` days since the lead last did anything (since it came,
if nothing); ``recency_*`` days, NaN for never; ``history_stage`` the place in ``STAGES``.
"""

_DAY = 86_400.0
_KIND_WEIGHTS = np.array(WEIGHTS)
_KIND_STAGES = np.array(STAGE_OF_KIND, dtype=np.int64)
_WINDOWS = np.array(WINDOWS_DAYS, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Moments:
    """The activities of several leads, one lead after the other.

    Attributes
    ----------
    start
        Where each lead's activities begin, shape ``(n + 1,)``.
    kind
        Place of each activity in ``KINDS``.
    at
        When each was, seconds since 1970 (UTC).
    """

    start: IntArray
    kind: IntArray
    at: FloatArray

    @classmethod
    def parse(cls, stored: Iterable[object]) -> Moments:
        """Return what ``lead_moments_json`` holds: ``[[kinds], [seconds]]`` or nothing, a row a lead."""
        kinds: list[int] = []
        times: list[float] = []
        ends = [0]
        for text in stored:
            if isinstance(text, str) and text:
                of_kind, at = json.loads(text)
                kinds += of_kind
                times += at
            ends.append(len(kinds))
        return cls(np.array(ends, np.int64), np.array(kinds, np.int64), np.array(times, np.float64))


def at_moment(moments: Moments, created_at: FloatArray, as_of: FloatArray) -> FloatArray:
    """Return the ``CLOCK_FEATURES`` of each lead at its moment, shape ``(n, len(CLOCK_FEATURES))``.

    Activities after the moment are passed over.

    Parameters
    ----------
    created_at, as_of
        Seconds since 1970 (UTC), shape ``(n,)``.
    """
    return _derive(
        moments.start, moments.kind, moments.at, created_at, as_of,
        _KIND_WEIGHTS, _KIND_STAGES, _WINDOWS, HALF_LIFE_DAYS, FULL_ENGAGEMENT,
    )  # fmt: skip


@compiled
def _derive(  # noqa: C901, PLR0913, PLR0917 - flat arrays are what numba compiles best
    start: IntArray, kind: IntArray, at: FloatArray, created_at: FloatArray, as_of: FloatArray,
    weights: FloatArray, stages: IntArray, windows: FloatArray, half_life: float, full: float,
) -> FloatArray:  # fmt: skip
    counts = 3 * len(windows)
    out = np.zeros((len(as_of), counts + 8))
    for i in range(len(as_of)):
        now = as_of[i]
        raw = 0.0
        stage = 0
        stage_at = created_at[i]
        last_done = created_at[i]
        last_two_way = np.nan
        last_contact = np.nan
        unanswered = 0.0
        for j in range(start[i], start[i + 1]):
            if at[j] > now:
                continue
            days = (now - at[j]) / _DAY
            k = kind[j]
            raw += weights[k] * 0.5 ** (days / half_life)
            if k < 3:
                for w in range(len(windows)):
                    if days <= windows[w]:
                        out[i, k * len(windows) + w] += 1.0
            if k != 0:
                last_done = max(last_done, at[j])
            if k == 0:
                last_contact = at[j] if np.isnan(last_contact) else max(last_contact, at[j])
                unanswered += 1.0
            if k in {1, 3, 5}:
                last_two_way = at[j] if np.isnan(last_two_way) else max(last_two_way, at[j])
                unanswered = 0.0
            if stages[k] > stage:
                stage = stages[k]
                stage_at = at[j]
        out[i, counts] = 100.0 * (1.0 - np.exp(-raw / full))
        out[i, counts + 1] = (now - last_done) / _DAY
        out[i, counts + 2] = (now - last_two_way) / _DAY
        out[i, counts + 3] = (now - last_contact) / _DAY
        out[i, counts + 4] = stage
        out[i, counts + 5] = (now - stage_at) / _DAY
        out[i, counts + 6] = (now - created_at[i]) / _DAY
        out[i, counts + 7] = unanswered
    return out
