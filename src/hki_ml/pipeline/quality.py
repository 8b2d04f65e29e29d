"""Whether what came in lately can be learned from: what was refused or is missing, what is unlike before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from hki_ml.mapping.checks import HELD
from hki_ml.monitoring.check import Check, settled
from hki_ml.pipeline.quality_columns import CARRIERS, FEWEST, MOST_BEFORE, RULES, compared, sentence
from hki_ml.pipeline.quality_sources import looks
from hki_ml.wiring import Backend

WINDOW = timedelta(days=1)
MOST_REFUSED = 0.2


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong: one sentence, what it is about, and since when."""

    subject: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What was found; ``broken`` forbids learning."""

    accepted: int
    refused: Counter[str] = field(default_factory=Counter)
    found: tuple[Problem, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return the sentences."""
        return tuple(each.reason for each in self.found)

    @property
    def broken(self) -> bool:
        """Return whether there is a problem."""
        return bool(self.found)

    def markdown(self) -> str:
        """Return the report for people."""
        unknown = sum(each.alarm is None for each in self.checks)
        lines = [f"- {each}" for each in self.problems] or ["- no problem was found"]
        lines.append(
            f"- {len(self.checks)} things were looked at, {unknown} with too few rows to say"
        )
        rows = [f"| {reason} | {count:,} |" for reason, count in self.refused.most_common()]
        table = [
            "| of the last day | rows |",
            "|---|---|",
            f"| accepted | {self.accepted:,} |",
            *rows,
        ]
        return "\n".join([*lines, "", *table])


def data_quality(backend: Backend, *, now: datetime) -> QualityReport:
    """Return what of the day before ``now`` was accepted and refused, and how it is unlike what came before.

    A day is held against earlier rows of the same source; a source's first file is held against nothing.
    """
    since = now - WINDOW
    columns = ["source", "event_type", "occurred_at", "received_at", "ingested_at"]
    events = backend.lake.read("events", columns=columns)
    is_new = pc.greater(events["ingested_at"], pa.scalar(since, events["ingested_at"].type))
    accepted = int(pc.sum(is_new).as_py() or 0)
    rows = backend.lake.read("quarantine", columns=["reason", "quarantined_at"])
    late = rows.filter(pc.greater(rows["quarantined_at"], since))
    refused = Counter(late["reason"].to_pylist())
    problems = list(_refusals(accepted, refused, since))
    new = pc.unique(events.filter(is_new)["source"]).to_pylist()
    checks = [each for name in new for each in _like_before(backend, name, since)]
    checks += looks(events, now)
    checks = [settled(each, (), RULES) for each in checks]
    problems += [
        Problem(each.subject, sentence(each, f"since {since.isoformat()}"), _since(each, since))
        for each in checks
        if each.alarm
    ]
    return QualityReport(accepted, refused, tuple(problems), tuple(checks))


def _refusals(accepted: int, refused: Counter[str], since: datetime) -> Iterator[Problem]:
    # What was held as a whole file was told then, and nothing of it came in.
    loose = refused.total() - refused[HELD]
    total = accepted + loose
    if total < FEWEST or loose <= MOST_REFUSED * total:
        return
    share = loose / total
    reason = (
        f"{share:.0%} of {total:,} rows since {since.isoformat()} were refused, at most "
        f"{MOST_REFUSED:.0%} expected; most often: {refused.most_common(1)[0][0]}"
    )
    yield Problem("refused", reason, since.replace(hour=0, minute=0, second=0, microsecond=0))


def _like_before(backend: Backend, source: str, since: datetime) -> Iterator[Check]:
    """Yield the checks of a source's new rows against its earlier ones, column by column."""
    events = backend.lake.read("events", where=("source", source))
    for kind in CARRIERS:
        mine = events.filter(pc.equal(events["event_type"], kind)).sort_by("ingested_at")
        is_new = pc.greater(mine["ingested_at"], pa.scalar(since, mine["ingested_at"].type))
        before, now = mine.filter(pc.invert(is_new)), mine.filter(is_new)
        if now.num_rows < FEWEST or before.num_rows < FEWEST:
            continue
        first, second = (part.slice(max(0, part.num_rows - MOST_BEFORE)) for part in (before, now))
        yield from compared(f"{source}:{kind}", first, second)


def _since(check: Check, since: datetime) -> datetime:
    if "since" in check.detail:
        return datetime.fromisoformat(check.detail["since"])
    days = check.detail.get("days")
    first = datetime.fromisoformat(days[0]) if days else since
    return first.replace(tzinfo=since.tzinfo, hour=0, minute=0, second=0, microsecond=0)
