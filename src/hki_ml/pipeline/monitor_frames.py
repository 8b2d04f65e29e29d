"""What the monitor looks at: a model's examples as columns, in windows since its champion learned."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from hki_ml.catalog import room
from hki_ml.errors import NotEnoughData
from hki_ml.learning.lead_features import CALENDAR, feature_frame
from hki_ml.monitoring.features import counted, is_number
from hki_ml.pipeline.train import CHAMPION, LOSSES_FILE, examples
from hki_ml.ports import ModelVersion
from hki_ml.tables import FACTS
from hki_ml.wiring import Backend

LENGTHS = tuple(timedelta(days=days) for days in (1, 7, 14, 28, 56, 112))
ENOUGH = 300  # rows a window
REFERENCE = timedelta(days=365)
MOST_REFERENCE = 20_000
ENTITY, AT = "entity", "event_timestamp"
UNWATCHED = frozenset({*CALENDAR, "history_age_days", "market_leads_count_1h"})


def is_watched(column: str) -> bool:
    """Tell whether a column says something of the world, rather than when or on how much it was made."""
    return column not in UNWATCHED and not column.endswith("_n")


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A model's champion and its examples: ``columns`` of ``rows`` are watched, one row an entity.

    ``frame`` is what the room itself judges, ``asked`` those of its rows that are watched, on the index of
    ``rows``; ``since`` is when the champion's knowledge ends.
    """

    model: str
    champion: ModelVersion
    since: datetime
    frame: pd.DataFrame
    asked: pd.DataFrame
    rows: pd.DataFrame
    columns: tuple[str, ...]

    @property
    def reference(self) -> pd.DataFrame:
        """The rows of the last year that the champion knew, the latest 20,000 of them."""
        before = self.rows[self.rows[AT] < self.since]
        return before[before[AT] >= self.since - REFERENCE].tail(MOST_REFERENCE)

    @property
    def length(self) -> timedelta:
        """How long a window is: the shortest in which the reference had 300 rows."""
        known = self.reference
        if known.empty:
            return LENGTHS[-1]
        span = (self.since - known[AT].min()) / timedelta(days=1)
        rate = len(known) / max(span, 1.0)
        return next((each for each in LENGTHS if rate * each.days >= 1.2 * ENOUGH), LENGTHS[-1])

    def windows(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield the windows that are over, in order of time, from the champion's last knowledge on."""
        begin = self.since
        while begin + self.length <= now:
            yield begin, begin + self.length
            begin += self.length

    def within(self, begin: datetime, end: datetime) -> pd.DataFrame:
        """Return the watched rows of ``[begin, end)``."""
        return self.rows[(self.rows[AT] >= begin) & (self.rows[AT] < end)]

    def blocks(self) -> list[pd.DataFrame]:
        """Return the reference in pieces as long as a window, latest last: what quiet windows look like."""
        known = self.reference
        found: list[pd.DataFrame] = []
        end = self.since
        while len(found) < 26 and not known[known[AT] < end].empty:
            part = known[(known[AT] >= end - self.length) & (known[AT] < end)]
            found.append(part)
            end -= self.length
        return found[::-1]


def seen(backend: Backend, model: str, *, now: datetime) -> Seen | str:
    """Return what there is of a model to look at, or why there is nothing."""
    champion = backend.registry.resolve(model, CHAMPION)
    if champion is None:
        return "no champion serves"
    if "as_of" not in champion.tags:
        return f"version {champion.version} does not say what it knew"
    try:
        frame = examples(backend, model, as_of=now)
    except NotEnoughData as error:
        return str(error)
    asked = _first_asked(frame)
    rows, columns = _watched(model, asked)
    since = datetime.fromisoformat(champion.tags["as_of"])
    return Seen(model, champion, since, frame, asked, rows, columns)


def _first_asked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the row of each entity at which it is asked about first, in order of time."""
    ordered = frame.sort_values(AT, kind="stable")
    if "landmark_days" in ordered:
        ordered = ordered[ordered["landmark_days"] == 0]
    elif "contract_days" in ordered:
        ordered = ordered[ordered["contract_days"] == 0]
    return ordered.reset_index(drop=True)


def _watched(model: str, ordered: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the columns that a model's trees or regressions look at, on the same index."""
    if model == "risk":
        from hki_ml.models.risk.features import table

        found = table(ordered)
    elif "lead_moments_json" in ordered:
        found = feature_frame(ordered)
    else:
        kept = [
            n
            for n in map(str, ordered)
            if n in FACTS or n.startswith(("price_", "deal_", "investor_"))
        ]
        found = ordered[[n for n in kept if not n.endswith(("_id", "_json", "_us"))]]
    names = tuple(name for name in map(str, found) if is_watched(name))
    names = tuple(name for name in names if found[name].nunique(dropna=True) > 1)
    keys = next((n for n in ("lead_id", "deal_id", "sale_id") if n in ordered), None)
    entity = ordered[keys].astype(str) if keys else ordered.index.astype(str)
    rows = found[list(names)].copy()
    rows[ENTITY], rows[AT] = np.asarray(entity), ordered[AT]
    return rows, names


def how_it_moved(reference: pd.DataFrame, current: pd.DataFrame, subject: str) -> str:
    """Return from what to what a column moved, e.g. `` (ppc 14 % to 29 %)``; empty for what is no column.

    ``subject`` may name the kind of check before the column, as in ``missing:fact_reason``.
    """
    column = subject.rsplit(":", 1)[-1]
    if column not in reference or column not in current:
        return ""
    before, now = reference[column], current[column]
    if subject != column:
        return f" (missing {before.isna().mean():.0%} to {now.isna().mean():.0%})"
    if is_number(before):
        return f" (median {before.median():.4g} to {now.median():.4g})"
    first, second = (each / max(each.sum(), 1) for each in counted(before, now))
    most = str((second - first).abs().idxmax())
    return f" ({most} {first[most]:.0%} to {second[most]:.0%})"


def judged_now(backend: Backend, what: Seen, *, now: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the champion's trial and what has matured since it learned, as ``learning.judged`` has rows.

    The second is empty where nothing has.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = backend.registry.download(what.champion, Path(made) / "champion")
        reference = pd.read_parquet(folder / LOSSES_FILE)
        try:
            later = room(what.model).losses(folder, what.frame, since=what.since)
        except (NotEnoughData, ValueError):
            return reference, reference.iloc[:0]
    return reference, later[later["happened_at"] < pd.Timestamp(now)]
