"""The file of rows as it comes: which column holds the id, which rows cannot be used and why."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from hki_ml.batch.scorer import ENTITY, FACTS, ROW, Bulk
from hki_ml.errors import BadInput, FileUnreadable
from hki_ml.mapping.files import Malformed, Rows, open_rows
from hki_ml.mapping.format import Layout

ROWS = pa.schema([(ROW, pa.int64()), (ENTITY, pa.string()), (FACTS, pa.string())])
REFUSED = pa.schema(
    [(ROW, pa.int64()), (ENTITY, pa.string()), ("reason", pa.string()), ("detail", pa.string())]
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MARKS = (
    (codecs.BOM_UTF8, "utf8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHOWN = 120  # characters of a bad cell that a detail shows


@dataclass(frozen=True, slots=True)
class Read:
    """How many rows there were, and how many of them cannot be used, by reason."""

    rows: int
    refused: dict[str, int]


def open_file(path: Path, encoding: str | None = None) -> Rows:
    """Return the file's rows; UTF-8 or, with its mark, UTF-16 unless an encoding is given.

    Raises
    ------
    FileUnreadable
        If it is none of CSV, Parquet, Excel and JSON lines, or not in that encoding.
    """
    if encoding is None and path.is_file():
        with path.open("rb") as file:
            first = file.read(4)
        encoding = next((name for mark, name in _MARKS if first.startswith(mark)), None)
    try:
        if encoding is not None:
            codecs.lookup(encoding)
        return open_rows(path, Layout(encoding=encoding or "utf8"))
    except LookupError as error:
        raise BadInput(f"expected the name of an encoding, got {encoding!r}") from error
    except FileUnreadable as error:
        text = str(error).partition("; say file.encoding")
        hint = "; say which encoding it is, e.g. latin1" if text[1] else ""
        raise FileUnreadable(text[0] + hint) from error


def read_rows(
    rows: Rows, bulk: Bulk, out: Path, refused_out: Path, on_rows: Callable[[int], None]
) -> Read:
    """Write the usable rows and the others, each with its number; rows without any content are not counted.

    Raises
    ------
    FileUnreadable
        If the file is damaged on the way.
    BadInput
        If no column holds what the model needs.
    """
    key, wanted = _columns(rows, bulk)
    malformed: list[Malformed] = []
    count: Counter[str] = Counter()
    done = good = told = 0
    with pq.ParquetWriter(out, ROWS) as keep, pq.ParquetWriter(refused_out, REFUSED) as refuse:
        for batch in rows.batches(wanted, malformed.append):
            numbers = _numbers(batch.height, good, malformed)
            good += batch.height
            bad = [_malformed(each) for each in malformed[told:]]
            told = len(malformed)
            usable, unusable = _sorted(batch, numbers, key, bulk)
            bad += unusable
            count.update(each["reason"] for each in bad)
            keep.write_table(pa.Table.from_pylist(usable, ROWS))
            refuse.write_table(pa.Table.from_pylist(bad, REFUSED))
            done = good + told
            on_rows(done)
        rest = [_malformed(each) for each in malformed[told:]]
        count.update(each["reason"] for each in rest)
        refuse.write_table(pa.Table.from_pylist(rest, REFUSED))
    return Read(good + len(malformed), dict(sorted(count.items())))


def _columns(rows: Rows, bulk: Bulk) -> tuple[str | None, list[str]]:
    """Return the column of the id, if there is one, and the columns to be read."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in rows.columns}
    key = next((plain[k] for k in (re.sub("_", "", k) for k in bulk.keys) if k in plain), None)
    if key is not None:
        return key, [key]
    if bulk.takes_facts:
        return None, list(rows.columns)
    expected = " or ".join(bulk.keys)
    got = ", ".join(rows.columns[:12])
    raise BadInput(f"{rows.path.name}: expected a column {expected}, got {got}")


def _numbers(height: int, before: int, malformed: Sequence[Malformed]) -> list[int]:
    """Return the numbers of good rows in the file, where malformed ones stand between them."""
    # A malformed row's number less those malformed before it is how many good rows stood before it.
    ahead = [each.row_number - 1 - i for i, each in enumerate(malformed)]
    numbers, passed = [], 0
    for at in range(before, before + height):
        while passed < len(ahead) and ahead[passed] <= at:
            passed += 1
        numbers.append(at + 1 + passed)
    return numbers


def _sorted(
    batch: pl.DataFrame, numbers: Sequence[int], key: str | None, bulk: Bulk
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    usable, bad = [], []
    if key is None:
        for number, row in zip(numbers, batch.to_dicts(), strict=True):
            try:
                facts = json.dumps(bulk.facts(row))
            except BadInput as error:
                bad.append(refusal(number, None, "fact_invalid", str(error)))
            else:
                usable.append({ROW: number, ENTITY: None, FACTS: facts})
        return usable, bad
    column = batch[key]
    texts = column.to_list() if column.dtype == pl.String else map(_text, column.to_list())
    for number, text in zip(numbers, texts, strict=True):
        entity = (text or "").strip()
        reason, detail = _against(entity)
        if reason:
            bad.append(refusal(number, entity[:_SHOWN] or None, reason, detail))
        else:
            usable.append({ROW: number, ENTITY: entity, FACTS: None})
    return usable, bad


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN


def _against(entity: str) -> tuple[str, str]:
    if not entity:
        return "id_missing", "expected an id, got nothing"
    if len(entity) > 200:
        return "id_invalid", f"expected at most 200 characters, got {len(entity)}"
    if _CONTROL.search(entity):
        return "id_invalid", "expected no control characters"
    return "", ""


def _malformed(row: Malformed) -> dict[str, Any]:
    raw = _CONTROL.sub(" ", row.raw)[:_SHOWN]
    return refusal(row.row_number, None, "row_malformed", f"{row.detail}: {raw}")


def refusal(number: int, entity: str | None, reason: str, detail: str) -> dict[str, Any]:
    """Return the row of the rejects that says why a row gets no answer."""
    return {ROW: number, ENTITY: entity, "reason": reason, "detail": detail}
