"""Which contracts teach what: days on which they were still open, and whether they fell through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hki_ml.learning.lead_labels import DAY, ENDS, LOST, hide_later

if TYPE_CHECKING:
    import pyarrow as pa

CONTRACT_DAYS: tuple[int, ...] = (0, 7, 14)
HORIZON_DAYS = 60.0
"""By then nearly every contract has ended; one that has not is left out, as nothing is known of it."""
_COLUMNS = ["lead_id", "created_at", "contract_at", "contract_known_at", *ENDS]


def contract_moments(
    leads: pa.Table, *, known_until: pd.Timestamp, days: Sequence[int] = CONTRACT_DAYS
) -> pd.DataFrame:
    """Return a row a contract and day after it at which it was known and still open.

    Parameters
    ----------
    leads
        Table ``leads``.
    known_until
        Nothing later is known (aware).

    Returns
    -------
    Columns ``lead_id``, ``event_timestamp``, ``contract_days``, ``created_at``, ``contract_at``, those of
    ``lead_labels.ENDS`` and ``known_until``, ordered by moment and lead.
    """
    known: pd.DataFrame = leads.select(_COLUMNS).to_pandas()
    known = known[known["contract_known_at"] <= known_until]
    parts = []
    for day in days:
        moment = known["contract_known_at"] + day * DAY
        is_open = known["ended_at"].isna() | (known["ended_at"] > moment)
        part = known.assign(event_timestamp=moment, contract_days=float(day))
        parts.append(part[is_open & (moment <= known_until)])
    rows = pd.concat(parts).sort_values(["event_timestamp", "lead_id"], kind="stable")
    rows = hide_later(rows.assign(known_until=known_until), known_until)
    return rows.drop(columns="contract_known_at").reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class FallThrough:
    """Whether each row's contract fell through, and whether that is known.

    Attributes
    ----------
    lost
        True where the lead was lost after its contract, shape ``(n,)``.
    matured
        True where the contract's horizon has passed and its end is known: of younger ones only the quick
        ends are, and they would speak for all.
    """

    lost: NDArray[np.bool_]
    matured: NDArray[np.bool_]


def fall_through(rows: pd.DataFrame, *, horizon_days: float = HORIZON_DAYS) -> FallThrough:
    """Return the label "lost before it closed" of each row of ``contract_moments``."""
    has_passed = rows["contract_at"] + horizon_days * DAY <= rows["known_until"]
    matured = (has_passed & rows["outcome"].notna()).to_numpy()
    return FallThrough((rows["outcome"] == LOST).to_numpy(), matured)
