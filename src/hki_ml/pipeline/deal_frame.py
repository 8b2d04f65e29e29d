"""A file of awards as the frame that matching is judged on: a row a deal and who took it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from hki_ml.errors import FileUnreadable, NotEnoughData
from hki_ml.mapping.deals import CLUSTER, INVESTOR, PLACE, DealMapping
from hki_ml.mapping.leads import FACT
from hki_ml.pipeline.reading import Tally, read_file

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class DealFrame:
    """The awards of a file, and what became of its rows."""

    rows: pd.DataFrame
    tally: Tally


def deal_frame(path: Path, mapping: DealMapping, *, as_of: datetime) -> DealFrame:
    """Return ``deal_id``, ``investor_id``, ``property_id``, ``event_timestamp``, ``place``, ``cluster``,
    the ``fact_…`` columns and who may be a candidate (``fewest``, ``years``), a row an award.

    Raises
    ------
    FileUnreadable, MappingError
        If the file cannot be read or the mapping does not fit it.
    NotEnoughData
        If nobody took anything.
    """  # noqa: D205 - the columns are the summary
    tally, parts = Tally(), []
    leads = mapping.as_leads()
    for reading in read_file(path, leads, as_of=as_of):
        tally.add(reading)
        parts.append(reading.accepted)
    if not parts:
        raise FileUnreadable(f"{path}: expected rows, found only the names of columns")
    rows = pl.concat(parts, how="diagonal_relaxed")
    unique = rows.unique("lead_id", keep="first", maintain_order=True)
    tally.found_duplicates(rows.height - unique.height)
    taken = unique.filter(pl.col(FACT + INVESTOR).is_not_null())
    if not taken.height:
        raise NotEnoughData(f"{path}: expected deals that somebody took, found none")
    names = {
        "lead_id": "deal_id", "occurred_at": "event_timestamp", FACT + INVESTOR: "investor_id",
        FACT + PLACE: "place", FACT + CLUSTER: "cluster",
    }  # fmt: skip
    frame = taken.rename({old: new for old, new in names.items() if old in taken.columns})
    for name in ("place", "cluster"):
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.String).alias(name))
    facts = [c for c in frame.columns if c.startswith(FACT)]
    kept = ["deal_id", "investor_id", "property_id", "event_timestamp", "place", "cluster", *facts]
    found = frame.select(kept).with_columns(fewest=mapping.fewest, years=mapping.years)
    return DealFrame(found.sort("event_timestamp", "deal_id").to_pandas(), tally)
