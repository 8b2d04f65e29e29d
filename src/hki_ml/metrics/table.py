"""One kind of table for every report: rows of named numbers with their n and 95 % interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with the 95 % interval it may lie in; ``None`` where no interval was asked for."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """Return e.g. ``8.01 [7.71, 8.33]``."""
        if self.low is None or self.high is None:
            return f"{self.value:.4g}"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    def as_json(self) -> dict[str, float]:
        """Return the number and, if known, its interval."""
        if self.low is None or self.high is None:
            return {"value": self.value}
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it is about, how many rows it rests on, its figures by name."""

    name: str
    n: int
    figures: dict[str, Figure] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the line for a JSON file."""
        return {"n": self.n, **{k: f.as_json() for k, f in self.figures.items()}}


@dataclass(frozen=True, slots=True)
class Table:
    """Lines under one title; ``str`` lays them out in columns.

    ``is_tall`` lays it out with a line a figure: for a few rows of many figures with intervals.
    """

    title: str
    rows: Sequence[Row]
    is_tall: bool = False

    def __str__(self) -> str:
        """Return the table as text."""
        names = list(dict.fromkeys(k for row in self.rows for k in row.figures))
        lines = [["", "n", *names]]
        for row in self.rows:
            cells = [str(row.figures[k]) if k in row.figures else "" for k in names]
            lines.append([row.name, str(row.n), *cells])
        if self.is_tall:
            lines = [list(line) for line in zip(*lines, strict=True)]
        width = [max(len(line[j]) for line in lines) for j in range(len(lines[0]))]
        body = [
            "  ".join([line[0].ljust(width[0]), *map(str.rjust, line[1:], width[1:])])
            for line in lines
        ]
        return "\n".join([self.title, *body])

    def as_json(self) -> dict[str, object]:
        """Return the lines by name."""
        return {row.name: row.as_json() for row in self.rows}
