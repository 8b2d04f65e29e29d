"""A file of sales as one frame, straight from the file: what a backtest splits, trains and judges on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import polars as pl

from hki_ml.errors import FileUnreadable, MappingError
from hki_ml.mapping.format import Mapping
from hki_ml.mapping.wire import to_events
from hki_ml.pipeline.known_ids import KnownIds, from_texts
from hki_ml.pipeline.reading import Tally, read_file
from hki_ml.tables import EXTRA_PREFIX, FACTS


@dataclass(frozen=True, slots=True)
class SaleFrame:
    """The sales of a file and what became of its other rows.

    ``sales`` has ``sale_id property_id sold_at price_usd``, every fact of ``tables.FACTS`` and the
    mapping's ``extra_…`` columns, sorted by ``sold_at``; ``has_dates`` is false where the mapping gives
    no date, and ``sold_at`` is then missing throughout.
    """

    sales: pd.DataFrame
    tally: Tally
    has_dates: bool


def sale_frame(
    path: Path, mapping: Mapping, *, as_of: datetime, judge_prices: bool = True
) -> SaleFrame:
    """Return the file's sales as the import would accept them, each sale once.

    Parameters
    ----------
    as_of
        The present, aware: later sales are refused.
    judge_prices
        Refuse rows whose USD per sqft is more than ten times off their like, as the import does.

    Raises
    ------
    FileUnreadable, MappingError
        If the file cannot be read, or the mapping does not fit it or describes no sales.
    """
    if mapping.event != "sale.recorded":
        raise MappingError(f"expected a mapping of sale.recorded, got {mapping.event}")
    known, tally, parts = KnownIds(), Tally(), []
    for reading in read_file(path, mapping, as_of=as_of, judge_prices=judge_prices):
        tally.add(reading)
        identified = _identified(reading.accepted, mapping)
        ids = from_texts(identified["sale_id"].to_list())
        is_new = known.new(ids)
        known.add(ids[is_new])
        tally.found_duplicates(int((~is_new).sum()))
        parts.append(identified.filter(pl.Series(is_new)))
    if not parts:
        raise FileUnreadable(f"{path}: expected rows, found only the names of columns")
    extra = [name for name in mapping.fields() if name.startswith(EXTRA_PREFIX)]
    sales = (
        pl.concat(parts).sort("occurred_at", maintain_order=True).rename({"occurred_at": "sold_at"})
    )
    columns = ("sale_id", "property_id", "sold_at", "price_usd", *FACTS, *extra)
    return SaleFrame(sales.select(columns).to_pandas(), tally, has_dates=mapping.date is not None)


def _identified(accepted: pl.DataFrame, mapping: Mapping) -> pl.DataFrame:
    if mapping.date is not None:
        return accepted.with_columns(sale_id=to_events(accepted, mapping)["event_id"])
    # Without dates equal rows may be two sales: each row is its own.
    epoch = pl.lit(0, pl.Int64).cast(pl.Datetime("us", "UTC"))
    numbered = accepted.with_columns(
        occurred_at=epoch, sale_key=pl.coalesce("sale_key", pl.format("row {}", "row_number"))
    )
    return accepted.with_columns(sale_id=to_events(numbered, mapping)["event_id"])
