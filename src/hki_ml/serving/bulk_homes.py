"""Files of homes: their facts as of one moment, by id or as the file states them, and their values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from hki_ml.batch.scorer import FACTS, SEEN, Known, Pinned, Refused, Scored
from hki_ml.errors import BadInput
from hki_ml.ports import Lake, OnlineRow
from hki_ml.serving import valuations
from hki_ml.serving.asked import FactsBody, columns, iso
from hki_ml.serving.holder import Held
from hki_ml.serving.homes import facts_of
from hki_ml.serving.model import Question, ValuationModel
from hki_ml.serving.naming import camel
from hki_ml.serving.problem import Problem
from hki_ml.tables import FACT_CATEGORIES, PROPERTY_FACTS
from hki_ml.tables import FACTS as FACT_NAMES

TABLE, VALUATION = "property_facts", "valuation"
STATE = (*FACT_NAMES, "extra_json")
SCHEMA = pa.schema(
    [
        PROPERTY_FACTS.field("property_id"),
        *(PROPERTY_FACTS.field(name) for name in STATE),
        (SEEN, PROPERTY_FACTS.field("event_timestamp").type),
    ]
)
DRIVERS = 3
_TEXT, _NUMBER, _WHOLE = pa.string(), pa.float64(), pa.int64()
COLUMNS = pa.schema(
    [
        ("status", _TEXT), ("estimated_value_usd", _WHOLE),
        *((f"{level}_{end}_usd", _WHOLE) for level in ("p68", "p80", "p95") for end in ("low", "high")),
        ("fsd", _NUMBER), ("confidence", _NUMBER), ("typical_value_usd", _WHOLE),
        *(
            field for n in range(1, DRIVERS + 1)
            for field in ((f"reason_{n}", _TEXT), (f"reason_{n}_usd", _WHOLE))
        ),
        ("maximum_allowable_offer_usd", _WHOLE), ("comparables", _TEXT), ("no_estimate", _TEXT),
        ("assumed_facts", _TEXT), ("model_version", _TEXT), ("degraded", pa.bool_()),
        ("fallback_level", _TEXT), ("feature_age_seconds", _NUMBER), ("computed_at", _TEXT),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class HomeBulk:
    """How files of homes are valued."""

    model: str = VALUATION
    rooms: tuple[str, ...] = (VALUATION,)
    also: tuple[str, ...] = ()
    keys: tuple[str, ...] = ("property_id", "id")
    takes_facts: bool = True

    def pin(self, lake: Lake) -> dict[str, Any]:
        """Return the version of the table of facts."""
        return {TABLE: lake.version(TABLE)}

    def known(self, lake: Lake, pinned: Mapping[str, Any], as_of: datetime) -> Known:
        """Return the newest facts of each home."""
        return Known(SCHEMA, newest(lake, pinned[TABLE], as_of), {})

    def facts(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row's facts under the names of columns.

        Raises
        ------
        BadInput
            If one is no number, lies out of its range, or none is known.
        """
        told: dict[str, Any] = {}
        for name, value in row.items():
            fact = _FACT_OF.get(re.sub(r"[^a-z0-9]", "", name.lower()))
            if fact is not None and value not in (None, ""):
                told[camel(fact)] = _read(fact, value)
        if not told:
            raise BadInput(f"expected facts of a home ({', '.join(FACT_NAMES[:4])}, ...), got none")
        try:
            home = columns(FactsBody.model_validate(told))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise BadInput(f"{where}: {first['msg']}, got {told.get(where)!r}") from error
        if home.get("latitude") == 0 and home.get("longitude") == 0:
            raise BadInput("latitude: expected real coordinates or none, got 0, 0")
        return home

    def open(
        self, folders: Mapping[str, tuple[Path, str]], _: Sequence[str], _pinned: Pinned
    ) -> HomeFileScorer:
        """Return the scorer over the loaded room."""
        from hki_ml.models.valuation.appraiser import load

        folder, version = folders[VALUATION]
        return HomeFileScorer(Held(load(folder, version), version))


_FACT_OF = {name.replace("_", ""): name for name in FACT_NAMES}


def _read(fact: str, value: Any) -> Any:
    """Return a cell as the fact's kind."""
    if fact in FACT_CATEGORIES:
        return str(value)
    text = str(value).strip().lower()
    if fact == "is_waterfront" and text in {"true", "false", "1", "0", "1.0", "0.0"}:
        return text in {"true", "1", "1.0"}
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"{camel(fact)}: expected a number, got {text[:60]!r}") from None


def newest(lake: Lake, version: int, as_of: datetime) -> Iterator[pa.RecordBatch]:
    """Yield the last row of each home up to the moment, under ``SCHEMA``."""
    if version < 0:
        return
    import duckdb

    names = ["property_id", *STATE, "event_timestamp"]
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        reader = pa.RecordBatchReader.from_batches(
            pa.schema([PROPERTY_FACTS.field(name) for name in names]),
            lake.batches(TABLE, columns=names, until=version),
        )
        connection.register("facts", reader)
        query = (
            "SELECT * FROM facts WHERE event_timestamp <= $as_of QUALIFY row_number() OVER "
            "(PARTITION BY property_id ORDER BY event_timestamp DESC) = 1"
        )
        for batch in connection.execute(query, {"as_of": as_of}).to_arrow_reader(20_000):
            table = pa.Table.from_batches([batch]).rename_columns(SCHEMA.names).cast(SCHEMA)
            yield from table.to_batches()


class HomeFileScorer:
    """Says of chunks of homes what ``value-property`` says of one."""

    def __init__(self, held: Held[ValuationModel]) -> None:
        self.versions: Mapping[str, str] = {VALUATION: held.version}
        self._held = held

    def score(self, chunk: pa.Table, as_of: datetime) -> Scored:
        """Return what is said of each home; one that cannot be valued for a fault is refused by itself."""
        kept: list[int] = []
        told: list[dict[str, Any]] = []
        refused: list[Refused] = []
        for at, row in enumerate(chunk.to_pylist()):
            home = _home(row)
            (reply,) = valuations.answer_held(self._held, [Question(home, asked_at=as_of)])
            if isinstance(reply, Problem):
                refused.append(Refused(at, "not_answered", reply.detail))
            else:
                kept.append(at)
                told.append(_columns(reply) | _source(row[SEEN], as_of))
        return Scored(kept, pa.Table.from_pylist(told, COLUMNS), tuple(refused))


def _home(row: Mapping[str, Any]) -> dict[str, Any]:
    if row[FACTS] is not None:
        stated: dict[str, Any] = json.loads(row[FACTS])
        return stated
    return facts_of(OnlineRow({name: row[name] for name in STATE}, (), row[SEEN]))


def _columns(reply: Mapping[str, Any]) -> dict[str, Any]:
    silent = reply["noEstimate"] is not None
    row: dict[str, Any] = {
        "status": "no_estimate" if silent else "scored",
        "estimated_value_usd": reply["estimatedValue"],
        "fsd": reply["fsd"],
        "confidence": reply["confidence"],
        "typical_value_usd": reply["typicalValue"],
        "comparables": " ".join(each["saleId"] for each in reply["comparables"]) or None,
        "assumed_facts": " ".join(sorted(reply["assumedFacts"])) or None,
        "model_version": reply["modelVersion"],
    }
    for level, bounds in (reply["intervals"] or {}).items():
        row[f"{level}_low_usd"], row[f"{level}_high_usd"] = bounds["low"], bounds["high"]
    strongest = sorted(reply["valueDrivers"], key=lambda each: -abs(each["amountUsd"]))
    for n, driver in enumerate(strongest[:DRIVERS], 1):
        row[f"reason_{n}"], row[f"reason_{n}_usd"] = driver["factor"], driver["amountUsd"]
    if reply["investment"] is not None:
        row["maximum_allowable_offer_usd"] = reply["investment"]["maximumAllowableOfferUsd"]
    if silent:
        row["no_estimate"] = "; ".join(reply["noEstimate"]["reasons"])
    return row


def _source(seen_at: datetime | None, as_of: datetime) -> dict[str, Any]:
    age = None if seen_at is None else round(max(0.0, (as_of - seen_at).total_seconds()), 3)
    return {
        "degraded": False,
        "fallback_level": "full",
        "feature_age_seconds": age,
        "computed_at": iso(as_of),
    }
