"""Groups that the law protects, lead by lead: beside the platform's data, for audits, the bar and the gate.

No event holds them and no feature is made of them. They come from the ``[protected]`` columns of a file
of leads, or from a file of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa

from hki_ml.errors import BadInput, FileUnreadable
from hki_ml.learning.fairness import PREFIX
from hki_ml.ports import Lake
from hki_ml.protected import named_attribute
from hki_ml.tables import PROTECTED_GROUPS

TABLE = "protected_groups"
COLUMNS = ("lead_id", "attribute", "group")
_KEY = ["lead_id", "attribute"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of rows: ``new`` ones were written, ``known`` said nothing new."""

    new: int
    known: int


def keep(lake: Lake, rows: pl.DataFrame, *, source: str, at: datetime) -> Kept:
    """Write the groups that are news; of two for one lead and attribute the last row holds.

    Parameters
    ----------
    rows
        Columns ``lead_id``, ``attribute`` and ``group``, texts; rows without a group are nothing.
    """
    said = rows.select(COLUMNS).drop_nulls().unique(_KEY, keep="last", maintain_order=True)
    stored = pl.DataFrame(_latest(lake)).cast(dict.fromkeys(COLUMNS, pl.String))
    fresh = said.join(stored, on=list(COLUMNS), how="anti")
    if fresh.height:
        rows_of = fresh.with_columns(source=pl.lit(source), known_at=pl.lit(at))
        lake.append(TABLE, rows_of.to_arrow().select(PROTECTED_GROUPS.names).cast(PROTECTED_GROUPS))
    return Kept(fresh.height, said.height - fresh.height)


def keep_of_file(lake: Lake, accepted: pl.DataFrame, *, source: str, at: datetime) -> Kept:
    """Write what the ``protected_`` columns of accepted rows of leads say."""
    names = [name for name in accepted.columns if name.startswith(PREFIX)]
    if not names:
        return Kept(0, 0)
    came = accepted.filter(pl.col("event_type") == "lead.created")
    long = came.select("lead_id", *names).unpivot(
        names, index="lead_id", variable_name="attribute", value_name="group"
    )
    long = long.with_columns(pl.col("attribute").str.strip_prefix(PREFIX))
    return keep(lake, long, source=source, at=at)


def _latest(lake: Lake) -> pa.Table:
    rows = lake.read(TABLE).to_pandas()
    rows = rows.sort_values("known_at", kind="stable").drop_duplicates(_KEY, keep="last")
    return pa.Table.from_pandas(rows[list(COLUMNS)], preserve_index=False)


def groups_of_leads(lake: Lake) -> pd.DataFrame:
    """Return a row a lead that anything is known of, an attribute a column, ``None`` for unknown."""
    rows = _latest(lake).to_pandas()
    wide: pd.DataFrame = rows.pivot_table(
        index="lead_id", columns="attribute", values="group", aggfunc="last"
    )
    return wide.astype(object).where(wide.notna(), None)


def with_groups(frame: pd.DataFrame, lake: Lake) -> pd.DataFrame:
    """Return examples of leads with a column ``protected_<attribute>`` each, where any is known."""
    if "lead_id" not in frame or lake.version(TABLE) < 0:
        return frame
    known = groups_of_leads(lake).add_prefix(PREFIX)
    return frame.join(known, on="lead_id")


def read_groups(path: Path) -> pl.DataFrame:
    """Return the rows of a CSV or Parquet file of groups.

    Raises
    ------
    FileUnreadable, BadInput
        With the column or the row, what was expected and what came.
    """
    try:
        parquet = path.suffix == ".parquet"
        rows = pl.read_parquet(path) if parquet else pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FileUnreadable(
            f"{path}: expected a CSV with a header, or Parquet: {error}"
        ) from error
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise BadInput(
            f"{path}: expected the columns {', '.join(COLUMNS)}, got {', '.join(rows.columns)}"
        )
    rows = rows.select(pl.col(COLUMNS).cast(pl.String).str.strip_chars().replace("", None))
    for name in ("lead_id", "attribute"):
        empty = rows[name].is_null().arg_true()
        if len(empty):
            raise BadInput(f"{path}, row {int(empty[0]) + 2}: expected {name}, got nothing")
    for attribute in rows["attribute"].unique().sort():
        if named_attribute(attribute) is None:
            at = int((rows["attribute"] == attribute).arg_true()[0])
            raise BadInput(
                f"{path}, row {at + 2}: expected an attribute that the law protects (race, sex, age, "
                f"religion, national origin, family, disability, public assistance), got {attribute!r}"
            )
    return rows
