"""Homes by id and by search: facts from the online store through a small cache, names from the lake."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hki_ml.errors import HkiError, Unavailable
from hki_ml.models.valuation.answer import FactValue
from hki_ml.ports import FeatureStore, Lake, OnlineRow
from hki_ml.serving.entities import OnlineEntities
from hki_ml.serving.naming import plain
from hki_ml.tables import EXTRA_PREFIX, FACTS

if TYPE_CHECKING:
    import pyarrow as pa

SERVICE = "valuation"
TABLE = "property_facts"
SHOWN = ("area", "property_type", "living_sqft", "bedrooms", "latitude", "longitude")


class HomeFacts(OnlineEntities):
    """Reads the facts of homes by id."""

    def __init__(
        self,
        store: Callable[[], FeatureStore],
        *,
        keep: int = 20_000,
        fresh_seconds: float = 30.0,
    ) -> None:
        super().__init__(store, SERVICE, facts_of, keep=keep, fresh_seconds=fresh_seconds)


def facts_of(row: OnlineRow) -> dict[str, FactValue]:
    """Return the facts in a stored row of a home."""
    values = row.values
    facts: dict[str, FactValue] = {name: plain(values.get(name)) for name in FACTS}
    facts |= {
        k: plain(v) for k, v in values.items() if k.startswith(EXTRA_PREFIX) and k != "extra_json"
    }
    packed = values.get("extra_json")
    if isinstance(packed, str) and packed:
        facts |= {EXTRA_PREFIX + key: plain(value) for key, value in json.loads(packed).items()}
    return facts


class HomeIndex:
    """Finds homes by a piece of their id or area; reads the lake anew when its table has moved."""

    def __init__(self, lake: Callable[[], Lake]) -> None:
        self._lake = lake
        self._version = -1
        self._homes: pa.Table | None = None
        self._lock = threading.Lock()

    def search(self, query: str, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Return up to ``limit`` homes, ids that begin with the query first, and how many match.

        Raises
        ------
        Unavailable
            If the lake does not answer and was never read before.
        """
        import pyarrow.compute as pc

        homes = self._table()
        if query:
            by_id = pc.match_substring(homes["property_id"], query, ignore_case=True)
            by_area = pc.match_substring(homes["area"], query, ignore_case=True)
            homes = homes.filter(pc.or_kleene(by_id, by_area))
            begins = pc.starts_with(homes["property_id"], query, ignore_case=True)
            first = homes.filter(begins).slice(0, limit).to_pylist()
            rest = homes.filter(pc.invert(begins)).slice(0, limit - len(first)).to_pylist()
            return first + rest, homes.num_rows
        return homes.slice(0, limit).to_pylist(), homes.num_rows

    def _table(self) -> pa.Table:
        with self._lock:
            try:
                lake = self._lake()
                version = lake.version(TABLE)
                if self._homes is None or version != self._version:
                    self._homes, self._version = _latest(lake), version
            except (HkiError, OSError) as error:
                if self._homes is None:
                    raise Unavailable("the lake does not answer") from error
            return self._homes


def _latest(lake: Lake) -> pa.Table:
    """Return one row a home, its newest facts, ordered by id."""
    rows = lake.read(TABLE, columns=["property_id", "event_timestamp", *SHOWN])
    ordered = rows.sort_by("event_timestamp")
    newest = ordered.group_by("property_id", use_threads=False).aggregate(
        [(name, "last") for name in SHOWN]
    )
    names = {f"{name}_last": name for name in SHOWN}
    renamed = newest.rename_columns([names.get(name, name) for name in newest.column_names])
    return renamed.select(["property_id", *SHOWN]).sort_by("property_id")
