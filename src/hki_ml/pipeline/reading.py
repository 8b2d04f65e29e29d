"""A file under its mapping, batch by batch: what the importer publishes and a backtest learns from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import polars as pl

from hki_ml.errors import FileUnreadable
from hki_ml.mapping.apply import Mapped, apply_mapping, check_columns
from hki_ml.mapping.checks import HELD
from hki_ml.mapping.files import Malformed, open_rows
from hki_ml.mapping.lead_rows import apply_leads, beside, joined
from hki_ml.mapping.leads import Join, LeadMapping
from hki_ml.mapping.loading import AnyMapping
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

    @property
    def rows_accepted(self) -> int:
        """How many of the file's rows were accepted; one may be several events."""
        return self.accepted["row_number"].n_unique()


@dataclass
class Tally:
    """What became of the rows of a file, counted: ``read`` is the sum of the others.

    ``held`` says why the file as a whole was not taken in, if it was not.
    """

    read: int = 0
    filtered: int = 0
    accepted: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    held: tuple[str, ...] = ()

    def add(self, reading: Reading) -> None:
        """Count a batch; duplicates count as accepted until they are known as such."""
        self.read += reading.read + len(reading.malformed)
        self.filtered += reading.filtered
        self.accepted += reading.rows_accepted
        self.refused.update(reading.refused["reason"].to_list())
        self.refused.update(["row_malformed"] * len(reading.malformed))
        self.warnings += [text for text in reading.warnings if text not in self.warnings]

    def found_duplicates(self, count: int) -> None:
        """Move this many rows from accepted to duplicates."""
        self.accepted -= count
        self.duplicates += count


def read_file(
    path: Path,
    mapping: AnyMapping,
    *,
    as_of: datetime,
    judge_prices: bool = True,
    held: str | None = None,
) -> Iterator[Reading]:
    """Yield the file's batches; a file without rows yields nothing.

    Parameters
    ----------
    as_of
        The present, aware.
    judge_prices
        Refuse rows whose USD per sqft is more than ten times off their like.
    held
        Why no row is to be accepted, if so: each is refused for it.

    Raises
    ------
    FileUnreadable
        If the file is not what it should be.
    MappingError
        If the mapping does not fit the file.
    """
    rows = open_rows(path, mapping.file)
    applied = _applied(path, mapping, judge_prices=judge_prices)
    wanted = [name for name in mapping.columns() if name in rows.columns]
    wanted += [join.on for join in _joins(mapping) if join.on not in wanted]
    malformed: list[Malformed] = []
    done = 0
    try:
        for batch in rows.batches(wanted, malformed.append):
            found = applied(batch, as_of, done + 1)
            if held is not None:
                found = _held(found, held)
            yield Reading(
                accepted=found.accepted,
                refused=_as_they_stood(batch, done + 1, found.refused),
                malformed=tuple(malformed),
                read=found.read,
                filtered=found.filtered,
                warnings=_warnings(found, mapping) if done == 0 else (),
            )
            malformed.clear()
            done += batch.height
    except FileUnreadable as error:
        if done == 0:
            raise
        raise FileUnreadable(
            f"{error}; the first {done:,} rows were read, and reading them again changes nothing"
        ) from error


def _held(mapped: Mapped, why: str) -> Mapped:
    numbers = mapped.accepted.select("row_number").unique(maintain_order=True)
    refused = numbers.with_columns(reason=pl.lit(HELD), detail=pl.lit(why))
    both = pl.concat(
        [mapped.refused, refused.select(mapped.refused.columns)], how="vertical_relaxed"
    )
    return replace(mapped, accepted=mapped.accepted.clear(), refused=both)


def check_file(path: Path, mapping: AnyMapping) -> None:
    """Hold the mapping against the file, and what it joins, without reading rows.

    Raises
    ------
    FileUnreadable
        If the file is not what it should be.
    MappingError
        If columns are missing.
    """
    columns = open_rows(path, mapping.file).columns
    joined = [name for join in _joins(mapping) for name in join.columns]
    check_columns(mapping, (*columns, *joined))


def _joins(mapping: AnyMapping) -> tuple[Join, ...]:
    return mapping.join if isinstance(mapping, LeadMapping) else ()


def _applied(
    path: Path, mapping: AnyMapping, *, judge_prices: bool
) -> Callable[[pl.DataFrame, datetime, int], Mapped]:
    """Return what makes rows of ours of a batch: (batch, as of, number of its first row)."""
    check_file(path, mapping)
    if isinstance(mapping, LeadMapping):
        tables = joined(path, mapping)

        def leads(batch: pl.DataFrame, as_of: datetime, first_row: int) -> Mapped:
            whole = beside(batch, mapping, tables)
            return apply_leads(whole, mapping, as_of=as_of, first_row=first_row)

        return leads
    likes = Likes()

    def homes(batch: pl.DataFrame, as_of: datetime, first_row: int) -> Mapped:
        mapped = apply_mapping(batch, mapping, as_of=as_of, first_row=first_row)
        if not judge_prices:
            return mapped
        accepted, implausible = likes.judge(mapped.accepted)
        refused = (
            mapped.refused if implausible is None else pl.concat([mapped.refused, implausible])
        )
        return replace(mapped, accepted=accepted, refused=refused)

    return homes


def _warnings(mapped: Mapped, mapping: AnyMapping) -> tuple[str, ...]:
    found = () if isinstance(mapping, LeadMapping) else tuple(unit_warnings(mapped.accepted))
    no_number = mapped.refused["reason"].is_in(["price_unparsable", "number_unparsable"]).sum()
    if 2 * no_number > mapped.read - mapped.filtered:
        example = mapped.refused.filter(pl.col("reason").str.ends_with("unparsable"))["detail"][0]
        hint = "look at the columns and at file.decimal (e.g. ',' for 1.250,50) in the mapping"
        found += (f"most rows hold no number where one is expected ({example}): {hint}",)
    return found


def _as_they_stood(batch: pl.DataFrame, first_row: int, refused: pl.DataFrame) -> pl.DataFrame:
    together = refused.sort("row_number")
    return pl.concat(
        [together, batch[(together["row_number"] - first_row).to_list()]], how="horizontal"
    )
