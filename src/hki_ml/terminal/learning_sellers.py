"""``hki sellers``: what sellers take, from offers of one's own, as terms of the next offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console

from hki_ml.terminal.errors import one_message

COLUMNS = ("offer_usd", "value_usd", "fsd", "accepted")
YES, NO = {"yes", "true", "1", "y"}, {"no", "false", "0", "n"}


def sellers(file: Path) -> None:
    """Print the two terms that the offers in a file tell."""
    from hki_ml.models.valuation.sellers import sellers_of

    with one_message():
        offer, value, fsd, accepted = read(file)
        found = sellers_of(offer, value, fsd, accepted)
    Console(highlight=False).print(
        f"from {found.offers:,} offers: sellerMinimumRate {found.minimum_rate:.3f}, "
        f"sellerMinimumSd {found.minimum_sd:.3f}; give both under investment, to value-property",
        soft_wrap=True,
    )


def read(file: Path) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Return the columns of a file of offers as arrays, each of shape ``(n,)``.

    Raises
    ------
    BadInput
        With the column or the row, what was expected and what came.
    """
    from hki_ml.errors import BadInput, FileUnreadable

    try:
        rows = pl.read_csv(file, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise FileUnreadable(f"{file}: expected a CSV with a header, got {error}") from error
    missing = [name for name in COLUMNS if name not in rows.columns]
    if missing:
        raise BadInput(
            f"{file}: expected the columns {', '.join(COLUMNS)}; {missing[0]} is missing"
        )
    numbers = []
    for name in COLUMNS[:3]:
        read = rows[name].str.strip_chars().cast(pl.Float64, strict=False)
        wrong = (read.is_null() | ~(read > 0)).arg_true()
        if len(wrong):
            at = int(wrong[0])
            raise BadInput(f"{file}, row {at + 2}: expected {name} above 0, got {rows[name][at]!r}")
        numbers.append(read.to_numpy())
    said = rows["accepted"].str.strip_chars().str.to_lowercase().fill_null("")
    wrong = (~said.is_in(list(YES | NO))).arg_true()
    if len(wrong):
        at = int(wrong[0])
        raise BadInput(
            f"{file}, row {at + 2}: expected accepted to be yes or no, got {rows['accepted'][at]!r}"
        )
    offer, value, fsd = numbers
    return offer, value, fsd, said.is_in(list(YES)).to_numpy()
