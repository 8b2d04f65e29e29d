"""A small market of leads with known truth: what the tests of this room train on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from hki_ml.learning.lead_features import KEPT_NUMBERS, LANDMARK_DAYS

START = pd.Timestamp("2023-01-02", tz="UTC")
DAY = pd.Timedelta(days=1)
SOURCES = ("referral", "web", "mail")
LIFT = {"referral": 1.0, "web": 0.0, "mail": -0.8}


def market(leads: int = 1_500, *, seed: int = 0, days: int = 500, landmarks=LANDMARK_DAYS):
    """Return a canonical lead frame: a close hangs on source, motivation and replies."""
    random = np.random.default_rng(seed)
    created = np.sort(random.uniform(0, days, leads))
    source = random.choice(SOURCES, leads)
    motivation = random.normal(size=leads)
    known = START + (days + 60) * DAY
    logit = -2.2 + np.array([LIFT[s] for s in source]) + 0.9 * motivation
    closes = random.random(leads) < 1 / (1 + np.exp(-logit))
    ends = created + random.gamma(2.0, 18.0, leads) + 1
    warm = np.where(closes, 0.9, 0.35)
    rows = []
    for i in range(leads):
        last = min(ends[i] - created[i], 60.0)
        replies = np.sort(random.uniform(0.2, last, random.poisson(warm[i] * 2)))
        for day in landmarks:
            if created[i] + day >= ends[i]:
                continue
            done = [(1, at) for at in replies if at <= day]
            rows.append(
                _row(i, (created[i], ends[i], day), done, closes[i], source[i], motivation[i])
            )
    frame = pd.DataFrame(rows).sort_values(["event_timestamp", "lead_id"]).reset_index(drop=True)
    frame["known_until"] = known
    for name in ("event_timestamp", "created_at", "ended_at", "ended_known_at", "known_until"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    late = frame["ended_at"] > known
    frame.loc[late, "outcome"] = None
    frame.loc[late, ["ended_at", "ended_known_at"]] = pd.NaT
    for name in KEPT_NUMBERS:
        if name not in frame:
            frame[name] = np.nan
    return frame


def _row(number, when, done, closes, source, motivation):
    created, ended, day = when
    born = START + created * DAY
    seconds = born.timestamp()
    return {
        "lead_id": f"lead-{number}",
        "event_timestamp": born + day * DAY,
        "landmark_days": float(day),
        "created_at": born,
        "outcome": "closed" if closes else "lost",
        "ended_at": START + ended * DAY,
        "ended_known_at": START + ended * DAY,
        "lead_created_at_us": int(seconds * 1e6),
        "lead_source": source,
        "lead_area": None,
        "lead_moments_json": json.dumps([
            [kind for kind, _ in done], [seconds + at * 86_400 for _, at in done],
        ]),
        "lead_facts_json": json.dumps({"motivation": round(float(motivation), 4)}),
        "lead_close_rate": 0.15,
    }  # fmt: skip


def with_fact(frame: pd.DataFrame, name: str, values) -> pd.DataFrame:
    """Return the frame with one more fact; ``None`` for leads that do not have it."""
    said = []
    for text, value in zip(frame["lead_facts_json"], values, strict=True):
        facts = json.loads(text)
        if value is not None:
            facts[name] = value
        said.append(json.dumps(facts))
    return frame.assign(lead_facts_json=said)
