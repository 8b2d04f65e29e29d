"""A file of leads as the frame that rooms learn from: through the same events and transforms as the lake."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa

from hki_ml.errors import FileUnreadable, NotEnoughData
from hki_ml.learning.lead_features import LANDMARK_DAYS
from hki_ml.learning.lead_labels import landmarks
from hki_ml.mapping.lead_rows import ORDER_STARTS
from hki_ml.mapping.lead_wire import lead_events
from hki_ml.mapping.leads import PROTECTED, PUBLISHED, LeadMapping
from hki_ml.pipeline.known_ids import KnownIds, from_texts
from hki_ml.pipeline.reading import Tally, read_file
from hki_ml.transforms.events import event_rows
from hki_ml.transforms.lead_state import Activity, lead_state
from hki_ml.transforms.leads import leads
from hki_ml.transforms.source_quality import CloseRates


@dataclass(frozen=True, slots=True)
class LeadFrame:
    """The leads of a file at their landmarks, and what became of its rows.

    ``is_in_time`` is false where nothing tells the order of the rows, which is then drawn at random.
    """

    rows: pd.DataFrame
    tally: Tally
    is_in_time: bool


def lead_frame(path: Path, mapping: LeadMapping, *, as_of: datetime, seed: int = 0) -> LeadFrame:
    """Return the canonical frame of the file's leads, each row as known at its landmark.

    A table of leads has nothing between the arrival and the end, so its leads are looked at once, on
    arrival; those of a log on every landmark day.

    Parameters
    ----------
    as_of
        The present, aware.
    seed
        Of the order of rows that have none.

    Raises
    ------
    FileUnreadable, MappingError
        If the file cannot be read or the mapping does not fit it.
    NotEnoughData
        If no row is a lead.
    """
    tally, parts = _read(path, mapping, as_of)
    is_in_time = mapping.created is not None
    rows = parts if is_in_time else _shuffled(parts, seed)
    events = lead_events(rows, mapping)
    table = event_rows(events["event"].cast(pl.Binary).to_list(), ingested_at=as_of)
    frame = frame_of(table, mapping, days=LANDMARK_DAYS if mapping.is_log else (0,))
    return LeadFrame(_audited(frame, rows), tally, is_in_time)


def frame_of(events: pa.Table, mapping: LeadMapping, *, days: tuple[int, ...]) -> pd.DataFrame:
    """Return the landmarks of all leads among events with their state, and how they ended."""
    known = leads(events)
    if not known.num_rows:
        raise NotEnoughData("expected leads, found no lead.created among the file's rows")
    until = pd.Timestamp(max(m for m in events["received_at"].to_pylist()))
    if mapping.followed_until is not None:
        until = max(until, pd.Timestamp(mapping.followed_until, tz="UTC"))
    rows = landmarks(known, known_until=until, days=days)
    asked = pa.Table.from_pandas(rows[["lead_id", "event_timestamp"]], preserve_index=False)
    activity = Activity.of(events.to_batches(), known["lead_id"].combine_chunks())
    rates = CloseRates.of(known, horizon_days=mapping.horizon_days)
    state = lead_state(asked, known, activity, rates=rates).to_pandas()
    joined = pd.concat([rows, state.drop(columns=["lead_id", "event_timestamp"])], axis=1)
    whole: pd.DataFrame = joined.assign(horizon_days=mapping.horizon_days)
    return whole


def _read(path: Path, mapping: LeadMapping, as_of: datetime) -> tuple[Tally, pl.DataFrame]:
    known, tally, parts = KnownIds(), Tally(), []
    for reading in read_file(path, mapping, as_of=as_of):
        tally.add(reading)
        ids = from_texts(lead_events(reading.accepted, mapping)["event_id"].to_list())
        is_new = known.new(ids)
        known.add(ids[is_new])
        fresh = reading.accepted.filter(pl.Series(is_new))
        tally.found_duplicates(reading.rows_accepted - fresh["row_number"].n_unique())
        parts.append(fresh)
    if not parts:
        raise FileUnreadable(f"{path}: expected rows, found only the names of columns")
    return tally, pl.concat(parts, how="diagonal_relaxed")


def _shuffled(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Return rows without dates in an order drawn at random, a minute a row."""
    numbers = rows["row_number"].unique().sort()
    order = np.random.default_rng(seed).permutation(len(numbers))
    place = pl.DataFrame({"row_number": numbers, "_place": order.astype(np.int64)})
    minutes = pl.col("_place") * timedelta(minutes=1)
    moved = rows.join(place, on="row_number", how="left", maintain_order="left")
    moment = (pl.lit(ORDER_STARTS) + minutes).dt.cast_time_unit("us").alias("occurred_at")
    return moved.with_columns(moment).drop("_place")


def _audited(frame: pd.DataFrame, rows: pl.DataFrame) -> pd.DataFrame:
    """Return the frame with what an audit or a published rival may look at beside it; no model does."""
    names = [name for name in rows.columns if name.startswith((PROTECTED, PUBLISHED))]
    if not names:
        return frame
    said = rows.filter(pl.col("event_type") == "lead.created").unique("lead_id", keep="first")
    return frame.merge(said.select("lead_id", *names).to_pandas(), on="lead_id", how="left")
