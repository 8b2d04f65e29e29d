"""What is learned: whether a contract fell through, seen from days on which it was still open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.contracts import fall_through
from hki_ml.learning.lead_labels import LOST, hide_later

FloatArray = NDArray[np.float64]
CONTRACT_DAYS = "contract_days"


def is_of_contracts(rows: pd.DataFrame) -> bool:
    """Tell whether rows are contracts of leads, rather than a table of decided cases."""
    return CONTRACT_DAYS in rows


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows whose end is known, and 1 where it is a loss, shape ``(n,)``."""

    rows: pd.DataFrame
    lost: FloatArray


def labelled(rows: pd.DataFrame) -> Labelled:
    """Return the rows whose end is known, as far as their ``known_until`` goes."""
    if is_of_contracts(rows):
        found = fall_through(rows)
        known = rows[found.matured].reset_index(drop=True)
        return Labelled(known, np.asarray(found.lost[found.matured], np.float64))
    known = rows[rows["outcome"].notna()].reset_index(drop=True)
    return Labelled(known, np.asarray(known["outcome"] == LOST, np.float64))


def split(
    rows: pd.DataFrame, *, cutoff: pd.Timestamp, until: pd.Timestamp | None
) -> tuple[Labelled, Labelled]:
    """Return what was known of contracts before the cut-off, and contracts signed from it on.

    A contract signed before the cut-off is never tested on.
    """
    teach = labelled(hide_later(rows[rows["event_timestamp"] < cutoff], cutoff))
    is_later = rows["contract_at"] >= cutoff
    if until is not None:
        is_later &= rows["contract_at"] < until
    return teach, labelled(rows[is_later])
