"""Events that carry facts, column by column against earlier ones: missing, far out, in another unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import orjson
import pandas as pd
import pyarrow as pa

from hki_ml.monitoring.check import Check, Rules
from hki_ml.monitoring.features import is_number, missing_values
from hki_ml.monitoring.quality import duplicates, outliers, units

FEWEST = 100  # rows: below it a share says nothing
MOST_BEFORE = 20_000  # rows that later ones are held against
RULES = Rules(least_rows=FEWEST)
CARRIERS: tuple[str, ...] = ("sale.recorded", "lead.created")
"""Events with facts of their own, looked at column by column."""


def compared(name: str, earlier: pa.Table, later: pa.Table) -> Iterator[Check]:
    """Yield the checks of later events of one kind and source against earlier ones, column by column.

    Parameters
    ----------
    earlier, later
        ``entity_id`` and ``properties_json`` of each.
    """
    before, now = _facts(earlier), _facts(later)
    columns = [c for c in map(str, before) if c != "entity_id"]
    for each in missing_values(before, now.reindex(columns=before.columns), columns, rules=RULES):
        yield _named(each, name)
    for column in columns:
        if column in now and is_number(before[column]) and is_number(now[column]):
            pair = (before[column].to_numpy(float), now[column].to_numpy(float))
            yield _named(outliers(column, *pair, rules=RULES), name)
            yield _named(units(column, *pair, rules=RULES), name)
    yield _named(duplicates("rows", now.astype(str), keys=[*map(str, now)]), name)


def _named(check: Check, name: str) -> Check:
    return replace(check, subject=f"{name}:{check.subject}")


def _facts(events: pa.Table) -> pd.DataFrame:
    """Return the properties of events as columns, facts among them; text that is no category is left out."""
    found = []
    told = zip(events["entity_id"].to_pylist(), events["properties_json"].to_pylist(), strict=True)
    for entity, text in told:
        said = orjson.loads(text)
        facts = said.pop("facts", None) or {}
        extra = facts.pop("extra", None) or {}
        flat = {**said, **facts, **extra}
        found.append({"entity_id": entity, **{k: v for k, v in flat.items() if _is_plain(v)}})
    return pd.DataFrame(found)


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, int | float | str)


def sentence(check: Check, when: str) -> str:
    """Return what is wrong in one sentence; ``when`` says of which rows."""
    what, days = check.subject, check.detail.get("days")
    if "said" in check.detail:
        return str(check.detail["said"])
    if days:
        return f"{what.removeprefix('empty_days:')} sent nothing on {', '.join(days)}"
    unit = check.detail.get("unit")
    said = (
        f"jumped by {unit}" if unit else f"is {check.value:.3g}, {check.reference or 0:.3g} before"
    )
    return f"{what} {said}, in {check.n:,} rows {when}"
