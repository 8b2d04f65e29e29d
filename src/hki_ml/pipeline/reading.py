"""A file under its mapping, batch by batch: what the importer publishes and a backtest learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import polars as pl

from hki_ml.errors import FileUnreadable
from hki_ml.mapping.apply import Mapped, apply_mapping, check_columns
from hki_ml.mapping.files import Malformed, open_rows
from hki_ml.mapping.format import Mapping
from hki_ml.mapping.plausible import Likes, unit_warnings


@dataclass(frozen=True, slots=True)
class Reading:
    """One batch read: accepted rows of ours, refused rows as they stood, and what to warn of.

    ``refused`` has ``row_number``, ``reason``, ``detail`` and the file's columns that the mapping reads;
    ``malformed`` are lines without columns.
    """

    accepted: pl.DataFrame
    refused: pl.DataFrame
    malformed: tuple[Malformed, ...]
    read: int
    filtered: int
    warnings: tuple[str, ...]


@dataclass
class Tally:
    """What became of the rows of a file, counted: ``read`` is the sum of the others."""

    read: int = 0
    filtered: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def add(self, reading: Reading) -> None:
        """Count a batch; duplicates count as accepted until they are known as such."""
        self.read += reading.read + len(reading.malformed)
        self.filtered += reading.filtered
        self.accepted += reading.accepted.height
        self.refused.update(reading.refused["reason"].to_list())
        self.refused.update(["row_malformed"] * len(reading.malformed))
        self.warnings += [text for text in reading.warnings if text not in self.warnings]

    def found_duplicates(self, count: int) -> None:
        """Move this many rows from accepted to duplicates."""
        self.accepted -= count
        self.duplicates += count


def read_file(
    path: Path, mapping: Mapping, *, as_of: datetime, judge_prices: bool = True
) -> Iterator[Reading]:
    """Yield the file's batches; a file without rows yields nothing.

    Parameters
    ----------
    as_of
        The present, aware.
    judge_prices
        Refuse rows whose USD per sqft is more than ten times off their like.

    Raises
    ------
    FileUnreadable
        If the file is not what it should be.
    MappingError
        If the mapping does not fit the file.
    """
    rows = open_rows(path, mapping.file)
    check_columns(mapping, rows.columns)
    wanted = [name for name in mapping.columns() if name in rows.columns]
    likes = Likes()
    malformed: list[Malformed] = []
    done = 0
    try:
        for batch in rows.batches(wanted, malformed.append):
            mapped = apply_mapping(batch, mapping, as_of=as_of, first_row=done + 1)
            plausible = likes.judge(mapped.accepted) if judge_prices else (mapped.accepted, None)
            yield Reading(
                accepted=plausible[0],
                refused=_as_they_stood(batch, done + 1, [mapped.refused, plausible[1]]),
                malformed=tuple(malformed),
                read=mapped.read,
                filtered=mapped.filtered,
                warnings=_warnings(mapped) if done == 0 else (),
            )
            malformed.clear()
            done += batch.height
    except FileUnreadable as error:
        if done == 0:
            raise
        raise FileUnreadable(
            f"{error}; the first {done:,} rows were read, and reading them again changes nothing"
        ) from error


def _warnings(mapped: Mapped) -> tuple[str, ...]:
    found = tuple(unit_warnings(mapped.accepted))
    no_number = mapped.refused["reason"].is_in(["price_unparsable", "number_unparsable"]).sum()
    if 2 * no_number > mapped.read - mapped.filtered:
        example = mapped.refused.filter(pl.col("reason").str.ends_with("unparsable"))["detail"][0]
        hint = "look at the columns and at file.decimal (e.g. ',' for 1.250,50) in the mapping"
        found += (f"most rows hold no number where one is expected ({example}): {hint}",)
    return found


def _as_they_stood(
    batch: pl.DataFrame, first_row: int, refused: list[pl.DataFrame | None]
) -> pl.DataFrame:
    together = pl.concat([each for each in refused if each is not None]).sort("row_number")
    return pl.concat(
        [together, batch[(together["row_number"] - first_row).to_list()]], how="horizontal"
    )
