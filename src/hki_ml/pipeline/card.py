"""The model card of a version: what its room says of itself, and every figure of the run that made it.

Limits come first; the tables are the trial's report, whole. Nothing is left empty: what the run did not
measure is told as such.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

from hki_ml.errors import CardIncomplete
from hki_ml.models.model import Model, Target, Trial

CARD_FILE = "card.md"
NOT_MEASURED = "not measured"
FIGURES_HEADING = "## Figures"
_ORDER = ("overall, as_known", "overall", "side by side, as_known", "side by side")


def card(room: Model, trial: Trial, notes: Mapping[str, object], sources: Sequence[str]) -> str:
    """Return the card of a version in Markdown.

    Parameters
    ----------
    notes
        What is known of the run: code, seed, moments, fingerprint.
    sources
        Where its data come from, as the events say.

    Raises
    ------
    CardIncomplete
        If the room's text does not begin with its limits.
    """
    title, *parts = _parts(_said(room.NAME))
    if not parts or not parts[0].startswith("## Limits"):
        raise CardIncomplete(f"expected the card of {room.NAME} to begin with its limits")
    told = [part for part in parts[1:] if not part.startswith(FIGURES_HEADING)]
    run = _run(trial, notes, sources)
    figures = [f"{FIGURES_HEADING}\n\n{_FIGURES_SAID}", *_tables(trial.report)]
    return (
        "\n\n".join([title, parts[0], _targets(room.TARGETS, trial), run, *told, *figures]) + "\n"
    )


_FIGURES_SAID = (
    "Out of time: trained on what was known before the cut-off, judged on what came true after it. In "
    "brackets the 95 % interval; n is the number of rows behind a line."
)


def _said(name: str) -> str:
    return (files("hki_ml.models") / name / "card.md").read_text("utf-8")


def _parts(text: str) -> list[str]:
    """Return the title and each section."""
    parts = text.strip().split("\n## ")
    return [parts[0].strip(), *(f"## {part.strip()}" for part in parts[1:])]


def _targets(targets: Sequence[Target], trial: Trial) -> str:
    rows = [_target(target, trial.report) for target in targets]
    return "## Asked and reached\n\n" + _table(["figure", "asked", "by", "reached", ""], rows)


def _target(target: Target, report: Mapping[str, Any]) -> list[str]:
    found: Any = report
    for name in target.path:
        found = found.get(name) if isinstance(found, Mapping) else None
    value = found.get("value") if isinstance(found, Mapping) else found
    if not isinstance(value, int | float) or not math.isfinite(value):
        return [target.name, str(target), target.asked_by, NOT_MEASURED, NOT_MEASURED]
    verdict = "met" if target.low <= value <= target.high else "**missed**"
    return [target.name, str(target), target.asked_by, _cell(found), verdict]


def _run(trial: Trial, notes: Mapping[str, object], sources: Sequence[str]) -> str:
    told = {
        "data from": ", ".join(sources) or NOT_MEASURED,
        "judged from": trial.cutoff.isoformat(),
        "judged until": trial.until.isoformat(),
        "examples judged": f"{len(trial.losses):,}",
        **{name.replace("_", " "): str(value) for name, value in notes.items()},
    }
    rows = [[name, value] for name, value in told.items()]
    return "## The run\n\n" + _table(["", ""], rows)


def _tables(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a Markdown section an entry of the report."""
    loose = {name: value for name, value in report.items() if not isinstance(value, Mapping | list)}
    for name, value in sorted(report.items(), key=_place):
        if isinstance(value, list):
            yield f"### {name}\n\n{_list(value)}"
        elif isinstance(value, Mapping):
            yield f"### {name}\n\n{_rows(value)}"
    if loose:
        rows = [[name.replace("_", " "), _cell(value)] for name, value in loose.items()]
        yield "### Of the run itself\n\n" + _table(["", ""], rows)


def _place(entry: tuple[str, Any]) -> int:
    """Return where a table stands: the whole first, then beside others, then by parts."""
    return next((at for at, word in enumerate(_ORDER) if entry[0].startswith(word)), len(_ORDER))


def _naturally(name: str) -> list[tuple[bool, int, str]]:
    """Return what sorts ``day 3`` before ``day 14``."""
    parts = (part for part in re.split(r"(\d+)", name) if part)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _rows(table: Mapping[str, Any]) -> str:
    is_flat = not all(isinstance(row, Mapping) and "value" not in row for row in table.values())
    if is_flat or not table:
        return _table(["", ""], [[name, _cell(value)] for name, value in table.items()])
    lines = sorted(table, key=_naturally)
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    names = sorted(names, key=lambda name: name != "n")
    rows = [[line, *(_cell(table[line].get(name)) for name in names)] for line in lines]
    if len(names) > len(lines):  # few lines of many figures: a figure a line
        turned = [[name, *(row[1 + at] for row in rows)] for at, name in enumerate(names)]
        return _table(["", *lines], turned)
    return _table(["", *names], rows)


def _list(entries: Sequence[Any]) -> str:
    if not entries:
        return NOT_MEASURED
    if not all(isinstance(entry, Mapping) for entry in entries):
        return "\n".join(f"- {_cell(entry)}" for entry in entries)
    names = list(dict.fromkeys(name for entry in entries for name in entry))
    return _table(names, [[_cell(entry.get(name)) for name in names] for entry in entries])


def _cell(value: Any) -> str:
    """Return a value as it stands in a table."""
    if isinstance(value, Mapping) and "value" in value:
        middle = _cell(value["value"])
        if value.get("low") is None or value.get("high") is None:
            return middle
        return f"{middle} [{_cell(value['low'])}, {_cell(value['high'])}]"
    if isinstance(value, Mapping):
        return "; ".join(f"{name}: {_cell(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_cell(part) for part in value) or "none"
    return _word(value)


def _word(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOT_MEASURED
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value) or "none"
    is_whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e15)
    return f"{value:,.0f}" if is_whole else f"{value:.4g}"


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return (
            "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        )

    head = [name.replace("_", " ") or " " for name in names]
    return "\n".join([line(head), line(["---"] * len(names)), *map(line, rows)])
