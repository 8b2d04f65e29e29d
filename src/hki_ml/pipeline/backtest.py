"""A file of somebody's own, split in time: would the model have been right?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hki_ml.catalog import room
from hki_ml.errors import BadInput
from hki_ml.mapping.deals import DealMapping
from hki_ml.mapping.format import Mapping
from hki_ml.mapping.leads import LeadMapping
from hki_ml.mapping.loading import AnyMapping
from hki_ml.models.model import Model, Report
from hki_ml.pipeline.deal_frame import deal_frame
from hki_ml.pipeline.lead_frame import lead_frame
from hki_ml.pipeline.reading import Tally
from hki_ml.pipeline.sale_frame import sale_frame

if TYPE_CHECKING:
    import pandas as pd

RANDOM_TEST_SHARE = 0.2
SYNTHETIC_START = datetime(2000, 1, 1, tzinfo=UTC)
SYNTHETIC_DAYS = 1461


@dataclass(frozen=True, slots=True)
class Backtested:
    """What a backtest found, what became of the file's rows, and how it was split.

    ``is_random_split`` is true where the file has no dates: such figures flatter, and say so.
    """

    report: Report
    tally: Tally
    cutoff: datetime
    until: datetime | None
    is_random_split: bool

    def as_json(self) -> dict[str, object]:
        """Return everything for a JSON file."""
        return {
            "split": "random, the file has no dates" if self.is_random_split else "in time",
            "cutoff": None if self.is_random_split else self.cutoff.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "rows": {
                "read": self.tally.read,
                "accepted": self.tally.accepted,
                "duplicates": self.tally.duplicates,
                "filtered": self.tally.filtered,
                "refused": dict(self.tally.refused),
            },
            **self.report.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Question:
    """What a backtest is asked: the period to judge, the present, chance and threads.

    ``cutoff`` of ``None`` lets the model's room choose.
    """

    cutoff: datetime | None
    until: datetime | None
    now: datetime
    seed: int = 0
    threads: int = 2


def backtest(
    model: str, path: Path, mapping: AnyMapping | DealMapping, question: Question
) -> Backtested:
    """Train on what the file knew before the cut-off and judge on what came after.

    Raises
    ------
    FileUnreadable, MappingError
        If the file or the mapping cannot be used.
    NotEnoughData
        If there is too little on either side of the cut-off.
    BadInput
        If the period is empty, the file's dates are missing while a cut-off is given, or the model
        does not learn from what the mapping describes.
    """
    rooms = room(model)
    _check_kind(model, rooms, mapping)
    read = _read(path, mapping, question)
    cutoff, until = read.cutoff or question.cutoff, question.until
    if cutoff is None:
        cutoff = rooms.default_cutoff(read.frame)
    if until is not None and until <= cutoff:
        raise BadInput(f"expected --until after --cutoff ({cutoff:%Y-%m-%d}), got {until:%Y-%m-%d}")
    report = rooms.backtest(
        read.frame, cutoff=cutoff, until=until, seed=question.seed, threads=question.threads
    )
    return Backtested(report, read.tally, cutoff, until, not read.is_in_time)


@dataclass(frozen=True, slots=True)
class _Read:
    """A file's examples, and where a split has to be that its dates do not tell."""

    frame: pd.DataFrame
    tally: Tally
    is_in_time: bool
    cutoff: datetime | None = None


def _check_kind(model: str, rooms: Model, mapping: AnyMapping | DealMapping) -> None:
    wanted = next(name for name in ("sales", "leads", "deals") if name in rooms.TABLES)
    got = "deals" if isinstance(mapping, DealMapping) else "sales"
    got = "leads" if isinstance(mapping, LeadMapping) else got
    if wanted != got:
        raise BadInput(f"{model} learns from {wanted}: expected a mapping of them")


def _read(path: Path, mapping: AnyMapping | DealMapping, question: Question) -> _Read:
    if isinstance(mapping, DealMapping):
        found = deal_frame(path, mapping, as_of=question.now)
        return _Read(found.rows, found.tally, is_in_time=True)
    if isinstance(mapping, LeadMapping):
        return _leads(path, mapping, question)
    return _sales(path, mapping, question)


def _sales(path: Path, mapping: Mapping, question: Question) -> _Read:
    found = sale_frame(path, mapping, as_of=question.now)
    if found.has_dates:
        return _Read(found.sales, found.tally, is_in_time=True)
    _refuse_cutoff(path, question, "[date]")
    frame, cutoff = with_synthetic_dates(found.sales, seed=question.seed)
    return _Read(frame, found.tally, is_in_time=False, cutoff=cutoff)


def _leads(path: Path, mapping: LeadMapping, question: Question) -> _Read:
    found = lead_frame(path, mapping, as_of=question.now, seed=question.seed)
    if mapping.has_dates:
        return _Read(found.rows, found.tally, is_in_time=True)
    _refuse_cutoff(path, question, "[created]")
    created = found.rows["created_at"]
    cutoff = created.sort_values().iloc[int(len(created) * (1 - RANDOM_TEST_SHARE))].to_pydatetime()
    return _Read(found.rows, found.tally, found.is_in_time, cutoff)


def _refuse_cutoff(path: Path, question: Question, table: str) -> None:
    if question.cutoff is not None:
        raise BadInput(
            f"{path}: expected dates to split at {question.cutoff:%Y-%m-%d}, the mapping gives none; "
            f"state {table} in it, or leave --cutoff out: the last fifth of the rows is judged then"
        )


def with_synthetic_dates(frame: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, datetime]:
    """Return an undated frame in random order on made-up days, and where its test part begins.

    A fifth of the sales, drawn at random, come last. Nothing can be learned of time from such days,
    and the figures are those of a random split.
    """
    chance = np.random.default_rng(seed)
    order = chance.permutation(len(frame))
    days = np.sort(chance.integers(0, SYNTHETIC_DAYS, len(frame)))
    first_test = int(len(frame) * (1 - RANDOM_TEST_SHARE))
    days[first_test:] += 1  # the first test day is nobody's training day
    first_day = int(days[min(first_test, len(days) - 1)])
    moments = np.datetime64(SYNTHETIC_START.replace(tzinfo=None), "us") + days.astype("m8[D]")
    mixed = frame.iloc[order].reset_index(drop=True)
    mixed = mixed.assign(sold_at=moments)
    mixed["sold_at"] = mixed["sold_at"].dt.tz_localize("UTC")
    return mixed, SYNTHETIC_START + timedelta(days=first_day)
