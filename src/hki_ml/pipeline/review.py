"""The quarterly pack: what the models did, what drifted, what was decided, and what to do about it.

Everything in it stands in the registry or the lake; where nothing was measured, it says so.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hki_ml.catalog import ROOMS
from hki_ml.pipeline.card import NOT_MEASURED
from hki_ml.pipeline.fairness import by_trials
from hki_ml.pipeline.incidents import latest
from hki_ml.pipeline.train import CHALLENGER, CHAMPION
from hki_ml.ports import ModelVersion
from hki_ml.tables import SCHEMAS
from hki_ml.wiring import Backend

OLD_AFTER = timedelta(days=92)  # a champion that saw nothing of this quarter


@dataclass(frozen=True, slots=True)
class Review:
    """A pack: its name (e.g. ``2026-Q3``), its text, and the files it was written to."""

    name: str
    markdown: str
    files: tuple[Path, ...]


def review(backend: Backend, *, now: datetime) -> Review:
    """Write the pack of the quarter that ended last before ``now``, as Markdown and HTML."""
    since, until = last_quarter(now)
    name = f"{since.year}-Q{(since.month + 2) // 3}"
    text = "\n\n".join(_parts(backend, name, since, until, now)) + "\n"
    folder = backend.settings.reports_path / "reviews"
    files = (folder / f"{name}.md", folder / f"{name}.html")
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in zip(files, (text, _html(name, text)), strict=True):
        half = file.with_suffix(f"{file.suffix}.part")
        half.write_text(content, encoding="utf-8")
        os.replace(half, file)  # noqa: PTH105 - whole or not at all
    return Review(name, text, files)


def last_quarter(now: datetime) -> tuple[datetime, datetime]:
    """Return the beginning and the end of the last quarter that is over (UTC).

    Examples
    --------
    >>> [f"{each:%Y-%m-%d}" for each in last_quarter(datetime(2026, 2, 3, tzinfo=UTC))]
    ['2025-10-01', '2026-01-01']
    """
    at = now.astimezone(UTC)
    until = at.replace(
        month=(at.month - 1) // 3 * 3 + 1, day=1, hour=0, minute=0, second=0, microsecond=0
    )
    before = until - timedelta(days=1)
    return before.replace(month=before.month - 2, day=1), until


def _parts(
    backend: Backend, name: str, since: datetime, until: datetime, now: datetime
) -> Iterator[str]:
    span = f"{since:%Y-%m-%d} up to {until:%Y-%m-%d} (UTC), written {now:%Y-%m-%d %H:%M}"
    yield f"# Review {name}\n\n{span}. What was not measured is told as such."
    yield "## Recommendations\n\n" + _bullets(_recommendations(backend, now))
    yield "## Figures over time\n\n" + "\n\n".join(_figures(backend, room) for room in ROOMS)
    yield "## Decisions\n\n" + _decisions(_rows(backend, "ledger", "at", since, until))
    checks = _rows(backend, "monitor_checks", "decided_at", since, until)
    yield "## Checks of the monitor\n\n" + _checks(checks)
    yield "## Importance of features\n\n" + _values(checks, "importance")
    yield "## Business\n\n" + _values(checks, "business")
    yield "## Drifts that are open\n\n" + _drifts(backend)
    yield "## Groups that the law protects\n\n" + _table(
        ("model", "champion", "measured"),
        [(each.model, each.version or "none", each.said) for each in by_trials(backend)],
    )
    yield "Audits of these months:\n\n" + _values(checks, "fairness")
    yield f"## Cost\n\n{NOT_MEASURED}: no price is set for hours of training and answers."


def _recommendations(backend: Backend, now: datetime) -> Iterator[str]:
    for room in ROOMS:
        champion = backend.registry.resolve(room, CHAMPION)
        if champion is None:
            yield f"{room}: nothing serves; train it, or say why not"
            continue
        seen = datetime.fromisoformat(champion.tags["as_of"]) if "as_of" in champion.tags else None
        if seen is not None and now - seen > OLD_AFTER:
            yield f"{room}: the champion has seen nothing since {seen:%Y-%m-%d}; look at why"
        challenger = backend.registry.resolve(room, CHALLENGER)
        if challenger is not None and challenger.version != champion.version:
            yield f"{room}: version {challenger.version} waits behind champion {champion.version}"
    for each in latest(backend.lake).values():
        if each.state == "open":
            yield f"{each.model}: settle “{each.reason}”, open since {each.since:%Y-%m-%d}"


def _figures(backend: Backend, room: str) -> str:
    versions = list(reversed(backend.registry.versions(room)))
    if not versions:
        return f"### {room}\n\n{NOT_MEASURED}: no version was ever registered"
    names = sorted({name for version in versions for name in version.figures})
    rows = [
        (_called(version), *(_number(version.figures.get(n)) for n in names))
        for version in versions
    ]
    return f"### {room}\n\n" + _table(("version", *names), rows)


def _called(version: ModelVersion) -> str:
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    return f"{version.version}{aliases}, as of {version.tags.get('as_of', NOT_MEASURED)[:10]}"


def _decisions(rows: Sequence[Mapping[str, Any]]) -> str:
    names = ("at", "model", "decision", "version", "replaced", "by", "reasons_json")
    return _table(names, [tuple(_said(row.get(name)) for name in names) for row in rows])


def _checks(rows: Sequence[Mapping[str, Any]]) -> str:
    made = Counter((row["model"], row["kind"]) for row in rows)
    alarms = Counter((row["model"], row["kind"]) for row in rows if row["alarm"])
    raw = Counter((row["model"], row["kind"]) for row in rows if row["raw_signal"])
    lines = [(*of, str(n), str(raw[of]), str(alarms[of])) for of, n in sorted(made.items())]
    return _table(("model", "kind", "checks", "raw signals", "alarms"), lines)


def _values(rows: Sequence[Mapping[str, Any]], kind: str) -> str:
    """Return the last value of each subject of a kind of check."""
    found = {(row["model"], row["subject"]): row for row in rows if row["kind"] == kind}
    names = ("value", "lower", "upper", "n")
    lines = [(*of, *(_said(row[name]) for name in names)) for of, row in sorted(found.items())]
    return _table(("model", "what", *names), lines)


def _drifts(backend: Backend) -> str:
    still = [each for each in latest(backend.lake).values() if each.state == "open"]
    rows = [(e.model, e.kind, e.subject, e.reason, f"{e.since:%Y-%m-%d}", e.route) for e in still]
    return _table(("model", "kind", "what", "why", "since", "route"), rows, empty="none")


def _rows(
    backend: Backend, table: str, column: str, since: datetime, until: datetime
) -> list[dict[str, Any]]:
    if table not in SCHEMAS:
        return []
    rows: list[dict[str, Any]] = backend.lake.read(table).to_pylist()
    rows = [row for row in rows if since <= row[column] < until]
    return sorted(rows, key=lambda row: row[column])


def _bullets(lines: Iterator[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- nothing"


def _number(value: float | None) -> str:
    return NOT_MEASURED if value is None or value != value else f"{value:.4g}"  # noqa: PLR0124


def _said(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return _number(value) if value is None or isinstance(value, float) else str(value)


def _table(
    names: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = NOT_MEASURED
) -> str:
    if not rows:
        return empty
    lines = [names, ["---"] * len(names), *rows]
    clean = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in clean)


def _html(name: str, text: str) -> str:
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    style = "body{font:15px/1.5 system-ui;margin:2em auto;max-width:70em}table{border-collapse:collapse}"
    style += "td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}"
    head = f"<meta charset=utf-8><title>Review {name}</title><style>{style}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>\n"
