"""How a lead goes on, day by day: each day's chances hang on what everybody can see of it, and nothing else.

So the best possible forecast is reachable, and the truth is the same step run forward many times.
All constants stand in this file and in ``title``: compiled code is kept by file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hki_ml.learning.compiled import compiled
from hki_ml.simulation.chance import Keys, child, uniform
from hki_ml.simulation.title import found_today, lien_effect

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

KINDS: tuple[str, ...] = (
    "lead.contacted", "lead.replied", "lead.visited", "lead.appointment_set", "lead.offer_made",
    "lead.contract_signed", "lead.closed", "lead.lost", "lien.recorded",
)  # fmt: skip
"""What can happen to a lead after it came; all but a lien in the order of a day."""
CONTACTED, REPLIED, VISITED, APPOINTMENT, OFFER, CONTRACT, CLOSED, LOST, LIEN = range(9)

ARM_NONE, ARM_FAST, ARM_USUAL = 0, 1, 2
LANDMARKS = (0, 1, 3, 7, 14, 30)
CONTRACT_DAYS = (0, 7)  # whole days after the contract's own at which the truth looks at it
LONGEST_DAYS = 400  # on which the last open lead is lost

# The state of an open lead at the start of a day; all of it can be seen in its events.
STAGE, STAGE_AT, TWO_WAY_AT, DONE_AT, CONTACT_AT, UNANSWERED, ENGAGEMENT, LIENS = range(8)
STATE_SIZE = 8
NEVER = -1_000.0
_DECAY = 0.5 ** (1.0 / 14.0)  # half-life of 14 days, as in learning.lead_clock
_DRAWS = 32  # counters of a day
CALM = -6.7  # log-odds a day of falling through without any reason to


@compiled
def _chance(logit: float) -> float:
    return float(1.0 / (1.0 + np.exp(-logit)))


@compiled
def _contact_chance(day: int, arm: int, state: FloatArray) -> float:
    """Return how likely we call today: our policy, which does not look at how good a lead is."""
    if day == 0:
        return 0.97 if arm == 1 else (0.15 if arm == 2 else 0.45)
    if state[CONTACT_AT] < 0.0:
        return 0.4
    if state[UNANSWERED] >= 8.0:
        return 0.01
    wait = 6.0 if state[STAGE] >= 2.0 else 2.0 + state[UNANSWERED]
    return 0.45 if day - state[CONTACT_AT] >= wait else 0.0


@compiled
def _reply_chance(day: int, logit: float, was_contacted: bool, state: FloatArray) -> float:  # noqa: FBT001
    """Return how likely the lead answers: a call on its first day finds it while it is warm."""
    warmth = state[ENGAGEMENT] / 10.0
    if was_contacted:
        warm = 2.5 if day == 0 else 0.0
        return _chance(-1.6 + 0.45 * logit + warm - 0.25 * (state[UNANSWERED] - 1.0) + warmth)
    stale = day - state[DONE_AT]
    return _chance(-4.6 + 0.45 * logit + warmth - stale / 8.0)


@compiled
def _progress(day: int, logit: float, state: FloatArray) -> float:
    """Return how likely the lead reaches the next stage today; from a contract on: closes."""
    stage = state[STAGE]
    silence = min(day - state[TWO_WAY_AT], 30.0)
    in_stage = day - state[STAGE_AT]
    warmth = state[ENGAGEMENT] / 10.0
    if stage < 2.0:
        if silence > 14.0:
            return 0.0
        return _chance(-4.5 + 0.55 * logit - 0.08 * silence + warmth)
    if in_stage < 1.0:
        return 0.0
    if stage == 2.0:
        return _chance(-2.2 + 0.3 * logit - 0.05 * silence + warmth)
    if stage == 3.0:
        return _chance(-3.2 + 0.45 * logit - 0.06 * silence + warmth)
    return _chance(-5.0 + 0.15 * min(in_stage, 20.0) + 0.1 * logit)


@compiled
def _loss_chance(day: int, logit: float, trouble: float, state: FloatArray) -> float:
    """Return how likely the lead is lost today: it rises with silence, and with age in the end.

    Under contract it hangs on facts, silence and liens found.
    """
    stale = min(day - state[DONE_AT], 40.0)
    stage = state[STAGE]
    old = 0.02 * max(day - 150.0, 0.0)
    if stage == 4.0:
        return _chance(CALM + trouble + state[LIENS] + 0.12 * stale + old)
    return _chance((-4.9 if stage < 2.0 else -3.3) - 0.8 * logit + 0.06 * stale + old)


@compiled
def step(  # noqa: PLR0913, PLR0917 - flat arguments are what numba compiles best
    key: np.uint64, day: int, logit: float, trouble: float, title: float, arm: int,
    state: FloatArray, kinds: IntArray, at: FloatArray,
) -> int:  # fmt: skip
    """Return how many things happen on a lead's day; ``state`` is moved to the start of the next.

    Parameters
    ----------
    key
        Of the lead's draws.
    trouble, title
        Log-odds of falling through once under contract, and how likely the title has liens.
    kinds, at
        Filled with what happens (places in ``KINDS``) and when, in days since the lead came.
    """
    draws = day * _DRAWS
    n = _touches(key, day, logit, arm, state, kinds, at)
    signed = int(day - state[STAGE_AT]) if state[STAGE] == 4.0 and state[LIENS] == 0.0 else -1
    found = found_today(key, uniform(key, draws + 10), signed, title)
    for number in range(found):
        state[LIENS] += lien_effect(key, number)
        at[n + number] = day + 0.585 + 0.001 * number
    kinds[n : n + found] = 8
    n += found
    stage = state[STAGE]
    if uniform(key, draws + 6) < _progress(day, logit, state):
        kind = 3 if stage < 2.0 else int(stage) + 2
        kinds[n] = kind
        at[n] = day + 0.6 + 0.15 * uniform(key, draws + 7)
        n += 1
        if kind == 6:
            return n
        state[STAGE] = kind - 1
        state[STAGE_AT] = day
        state[DONE_AT] = day
        if kind == 4:
            state[ENGAGEMENT] += 2.0
        else:
            state[ENGAGEMENT] += 4.0
            state[TWO_WAY_AT] = day
            state[UNANSWERED] = 0.0
    elif uniform(key, draws + 8) < _loss_chance(day, logit, trouble, state) or day >= LONGEST_DAYS:
        kinds[n] = 7
        at[n] = day + 0.8 + 0.15 * uniform(key, draws + 9)
        return n + 1
    state[ENGAGEMENT] *= _DECAY
    return n


@compiled
def _touches(
    key: np.uint64, day: int, logit: float, arm: int, state: FloatArray,
    kinds: IntArray, at: FloatArray,
) -> int:  # fmt: skip
    """Return how many contacts, replies and visits a day has: at most one of each."""
    draws = day * _DRAWS
    n = 0
    was_contacted = uniform(key, draws) < _contact_chance(day, arm, state)
    if was_contacted:
        moment = uniform(key, draws + 1)
        kinds[n] = 0
        at[n] = day + (0.011 + 0.03 * moment if day == 0 and arm == 1 else 0.05 + 0.25 * moment)
        n += 1
        state[CONTACT_AT] = day
        state[UNANSWERED] += 1.0
        state[ENGAGEMENT] += 0.25
        if state[STAGE] < 1.0:
            state[STAGE] = 1.0
            state[STAGE_AT] = day
    if uniform(key, draws + 2) < _reply_chance(day, logit, was_contacted, state):
        kinds[n] = 1
        at[n] = day + 0.32 + 0.2 * uniform(key, draws + 3)
        n += 1
        state[UNANSWERED] = 0.0
        state[ENGAGEMENT] += 3.0
        state[TWO_WAY_AT] = day
        state[DONE_AT] = day
    if uniform(key, draws + 4) < _visit_chance(day, logit, state):
        kinds[n] = 2
        at[n] = day + 0.53 + 0.05 * uniform(key, draws + 5)
        n += 1
        state[ENGAGEMENT] += 1.0
        state[DONE_AT] = day
    return n


@compiled
def _visit_chance(day: int, logit: float, state: FloatArray) -> float:
    """Return how likely the lead looks at our pages today."""
    stale = day - state[DONE_AT]
    return _chance(-2.4 + 0.4 * logit + state[ENGAGEMENT] / 10.0 - stale / 10.0)


@compiled
def fresh(state: FloatArray) -> None:
    """Make it the state of a lead that has just come."""
    state[:] = 0.0
    state[TWO_WAY_AT] = NEVER
    state[CONTACT_AT] = NEVER


@compiled
def histories(  # noqa: C901 - flat arguments are what numba compiles best
    keys: Keys, logit: FloatArray, trouble: FloatArray, title: FloatArray, arm: IntArray,
    landmarks: IntArray, contract_days: IntArray,
) -> tuple[IntArray, IntArray, FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Return what happens to each lead: offsets, kinds, moments (days), and states at landmarks.

    Returns
    -------
    ``start`` of shape ``(n + 1,)``, ``kind`` and ``at`` lead after lead, states of shape
    ``(n, len(landmarks), STATE_SIZE)`` with NaN where the lead had ended, and states at the end of the
    day so many days after its contract, NaN where it had ended or never had one.
    """
    n = len(keys)
    start = np.zeros(n + 1, np.int64)
    kind = np.empty(n * 20 + 1024, np.int64)
    at = np.empty(n * 20 + 1024)
    states = np.full((n, len(landmarks), STATE_SIZE), np.nan)
    signed = np.full((n, len(contract_days), STATE_SIZE), np.nan)
    state = np.empty(STATE_SIZE)
    filled = 0
    for i in range(n):
        fresh(state)
        for day in range(LONGEST_DAYS + 1):
            for j in range(len(landmarks)):
                if landmarks[j] == day:
                    states[i, j] = state
            if filled + 16 > len(kind):
                kind = np.concatenate((kind, np.empty(len(kind), np.int64)))
                at = np.concatenate((at, np.empty(len(at))))
            filled += step(
                keys[i],
                day,
                logit[i],
                trouble[i],
                title[i],
                arm[i],
                state,
                kind[filled:],
                at[filled:],
            )
            if filled > start[i] and 6 <= kind[filled - 1] <= 7:
                break
            for j in range(len(contract_days)):
                if state[STAGE] == 4.0 and state[STAGE_AT] + contract_days[j] == day:
                    signed[i, j] = state
        start[i + 1] = filled
    return start, kind[:filled].copy(), at[:filled].copy(), states, signed


@compiled
def futures(  # noqa: C901, PLR0913, PLR0917 - flat arguments are what numba compiles best
    keys: Keys, logit: FloatArray, trouble: FloatArray, title: FloatArray, arm: IntArray,
    day: IntArray, states: FloatArray, days_ahead: FloatArray, paths: int,
) -> FloatArray:  # fmt: skip
    """Return what becomes of leads from a state on, by running each forward ``paths`` times.

    Parameters
    ----------
    keys
        Of each row's draws, other than those of the lead's own history.
    day, states
        Whole days since the lead came and its state then, shapes ``(n,)`` and ``(n, STATE_SIZE)``.
    days_ahead
        Increasing; the last is the longest that is looked ahead.

    Returns
    -------
    Shape ``(n, 2 * len(days_ahead) + 2)``: shares closed within each, shares lost within each, the sum
    over paths of days to the close among those that close (a share each), and mean days open.
    """
    h = len(days_ahead)
    longest = days_ahead[h - 1]
    out = np.zeros((len(keys), 2 * h + 2))
    kinds = np.empty(16, np.int64)
    at = np.empty(16)
    state = np.empty(STATE_SIZE)
    for i in range(len(keys)):
        for path in range(paths):
            key = child(keys[i], path)
            state[:] = states[i]
            open_days = longest
            for today in range(day[i], day[i] + int(longest) + 1):
                n = step(key, today, logit[i], trouble[i], title[i], arm[i], state, kinds, at)
                if n > 0 and 6 <= kinds[n - 1] <= 7:
                    days = at[n - 1] - day[i]
                    for j in range(h):
                        if days <= days_ahead[j]:
                            out[i, (0 if kinds[n - 1] == 6 else h) + j] += 1.0
                    if days <= longest:
                        open_days = days
                        if kinds[n - 1] == 6:
                            out[i, 2 * h] += days
                    break
            out[i, 2 * h + 1] += open_days
    return out / paths
